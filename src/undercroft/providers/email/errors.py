"""Errors of outgoing email, separated by whether a retry can succeed."""

from undercroft.core.errors import PermanentError


class EmailError(Exception):
    """Base class of expected errors when sending an email."""


class InvalidMessage(EmailError, PermanentError, ValueError):
    """The email itself is invalid (an address, a header, a template). A retry cannot succeed."""


class DeliveryRefused(EmailError, PermanentError):
    """The mail server rejected the email permanently (SMTP 5xx). A retry cannot succeed."""


class DeliveryDeferred(EmailError):
    """The email was not accepted: a 4xx reply, a timeout, a lost connection or rejected credentials. Retry later."""


DeliveryResult = EmailError | None
"""None if an email was accepted."""
