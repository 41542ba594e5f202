"""Building blocks without business logic."""

from undercroft.core.modules import Module, RequestHeader

__all__ = ["Module", "RequestHeader"]
