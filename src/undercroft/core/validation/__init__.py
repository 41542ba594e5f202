"""Annotated types for what comes in from outside: checked and brought into one form at the boundary."""

from undercroft.core.validation.address import Email, normalise_email

__all__ = ["Email", "normalise_email"]
