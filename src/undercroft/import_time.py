"""How the product imports what it is made of: most of a start is importing, and libraries do more than is needed."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from typing import Any


def import_without(unwanted: str, name: str) -> None:
    """Import a library that would import another if it could, as if that were not installed; it can be used later."""
    if name in sys.modules or unwanted in sys.modules:
        return
    sys.modules[unwanted] = None  # type: ignore[assignment]
    try:
        import_module(name)
    finally:
        del sys.modules[unwanted]


@contextmanager
def gc_paused() -> Iterator[None]:
    """Nearly everything that is made while importing stays for ever: looking for garbage there only takes time."""
    resting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():  # what somebody froze for good stays frozen
            gc.freeze()  # and thawed it is old, so that it is not looked through as soon as the collector is back
            gc.unfreeze()
        if resting:
            gc.enable()


@contextmanager
def defer_validators() -> Iterator[None]:
    """Models declared inside build no validator yet, not even those for which the plain `model_rebuild()` is called."""
    from pydantic import BaseModel

    rebuild = vars(BaseModel)["model_rebuild"]

    def later(model: type[BaseModel], /, **options: Any) -> bool | None:
        return rebuild.__get__(None, model)(**options) if options else None

    BaseModel.model_config["defer_build"] = True
    type.__setattr__(BaseModel, "model_rebuild", classmethod(later))
    try:
        yield
    finally:
        type.__setattr__(BaseModel, "model_rebuild", rebuild)
        del BaseModel.model_config["defer_build"]
