"""Composition: finds the modules, puts them together, decides nothing."""

import gc
from importlib import import_module

from undercroft.import_time import defer_validators, gc_paused, import_without

IMPORT_FIRST = (
    "sqlalchemy.ext.asyncio",
    "sqlmodel",
    "undercroft.core.db",
    "undercroft.core.auth",
    "undercroft.core.http.application",
    "undercroft.jobs",
)
"""What everything else is built on, imported first and so from no depth: in a long chain of imports CPython takes a
piece of stack and gives it back with each call, a twentieth of a start."""

with gc_paused():
    with defer_validators():
        # FastAPI has dozens of models for a document that few processes write, and takes email_validator for an
        # address that ours does not give.
        import_without("email_validator", "fastapi")
        import_module("pydantic_settings")
    for _name in IMPORT_FIRST:
        import_module(_name)

# What a start makes stays: the default threshold has the collector look through all of it again and again in vain.
gc.set_threshold(20_000, 50, 100)
