"""A backend for SaaS products on FastAPI, SQLModel and PostgreSQL."""

from undercroft.import_time import gc_paused, import_without

__version__ = "0.1.0"

with gc_paused():
    # structlog imports rich for tracebacks that this application does not render: 0.1 s of every start.
    import_without("rich", "structlog")
