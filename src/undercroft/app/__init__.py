"""Composition: finds the modules, puts them together, decides nothing."""

import gc
from importlib import import_module

from pydantic import BaseModel

from undercroft import import_without

FROM_BELOW = (
    "sqlalchemy.ext.asyncio",
    "sqlmodel",
    "undercroft.core.db",
    "undercroft.core.auth",
    "undercroft.core.http.application",
    "undercroft.jobs",
)
"""What everything else is built on, imported first and so from no depth: in a long chain of imports CPython takes a
piece of stack and gives it back with each call, a twentieth of a start."""

# What a start makes stays: the default threshold has the collector look through all of it again and again in vain.
gc.set_threshold(20_000, 50, 100)


def _import_fastapi() -> None:
    """FastAPI has dozens of models for a document that few processes write: their validators wait for their first use,
    and so does email_validator, which it takes for an address that ours does not give."""
    BaseModel.model_config["defer_build"] = True
    try:
        import_without("email_validator", "fastapi")
    finally:
        del BaseModel.model_config["defer_build"]


_import_fastapi()
for _name in FROM_BELOW:
    import_module(_name)
