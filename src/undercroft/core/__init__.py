"""Building blocks without business logic."""

from undercroft.core.modules import Module

__all__ = ["Module"]
