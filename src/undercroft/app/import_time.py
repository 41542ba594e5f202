"""Reduce the import time, which is most of the startup time.

Without the three, importing takes 155% of the time of a minimal FastAPI and SQLModel application instead of 130% (CPU
time, CPython 3.11), the import figure of `make bench`. structlog imports rich for tracebacks that the application does
not render; FastAPI imports email_validator for a contact that its document does not have, and builds dozens of models
for the OpenAPI document, which few processes generate; the collector alone costs 9 points.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def import_without(unwanted: str, name: str) -> None:
    """Import a library without an optional dependency. That dependency can still be imported later."""
    if name in sys.modules or unwanted in sys.modules:
        return
    sys.modules[unwanted] = None  # type: ignore[assignment]
    try:
        import_module(name)
    finally:
        del sys.modules[unwanted]


@contextmanager
def gc_paused() -> Iterator[None]:
    """Pause garbage collection during imports: nearly all objects created by an import live until the process ends."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        # freeze and unfreeze move all objects to the oldest generation, which is rarely collected
        gc.freeze()
        gc.unfreeze()
        if was_enabled:
            gc.enable()


@contextmanager
def defer_validators() -> Iterator[None]:
    """Defer building the validators of models declared inside, also where pydantic calls `model_rebuild()`."""
    from pydantic import BaseModel

    rebuild = vars(BaseModel)["model_rebuild"]

    def deferred_rebuild(model: type[BaseModel], /, **options: Any) -> bool | None:
        return rebuild.__get__(None, model)(**options) if options else None

    BaseModel.model_config["defer_build"] = True
    type.__setattr__(BaseModel, "model_rebuild", classmethod(deferred_rebuild))
    try:
        yield
    finally:
        type.__setattr__(BaseModel, "model_rebuild", rebuild)
        del BaseModel.model_config["defer_build"]
