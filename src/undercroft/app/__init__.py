"""Composition of the application from its modules. Contains no business rules."""

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
"""Packages that all others import. Importing them first avoids deep import chains, in which CPython repeatedly
allocates and frees a chunk of the stack; this would take 5% of the startup time."""

with gc_paused():
    with defer_validators():
        # FastAPI defines dozens of models for the OpenAPI document, which few processes generate, and imports
        # email_validator for a contact address, which our document does not contain.
        import_without("email_validator", "fastapi")
        import_module("pydantic_settings")
    for _name in IMPORT_FIRST:
        import_module(_name)

# Objects created at startup live forever; with the default threshold, the collector scans them repeatedly.
gc.set_threshold(20_000, 50, 100)
