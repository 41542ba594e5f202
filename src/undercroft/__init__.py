"""The backend a Python SaaS starts with and never outgrows."""

import sys
from importlib import import_module

__version__ = "0.1.0"


def import_without(unwanted: str, name: str) -> None:
    """Import a library that would import another if it could, as if that were not installed; it can be used later."""
    if name in sys.modules or unwanted in sys.modules:
        return
    sys.modules[unwanted] = None  # type: ignore[assignment]
    try:
        import_module(name)
    finally:
        del sys.modules[unwanted]


# structlog takes rich for tracebacks that are not painted here: 0.1 s of every start.
import_without("rich", "structlog")
