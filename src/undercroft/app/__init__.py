"""Composition of the application from its modules. Contains no business rules."""

import gc
from importlib import import_module

from undercroft.app.import_time import defer_validators, gc_paused, import_without

with gc_paused():
    import_without("rich", "structlog")
    with defer_validators():
        import_without("email_validator", "fastapi")
    import_module("undercroft.core.http.application")

# Requests leave few reference cycles: with these values, the collector does not run once in 10,000 of them.
gc.set_threshold(20_000, 50, 100)
