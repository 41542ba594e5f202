"""Building blocks without business logic."""

from undercroft.core.modules import Module, RequestHeader, find_declared

__all__ = ["Module", "RequestHeader", "find_declared"]
