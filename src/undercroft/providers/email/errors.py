"""What can go wrong with a mail, told apart by whether trying again can help."""

from undercroft.core.errors import PermanentError


class EmailError(Exception):
    """Base of everything that sending a mail raises on purpose."""


class InvalidMessage(EmailError, PermanentError, ValueError):
    """The mail itself is wrong (an address, a header, a template); trying again cannot help."""


class DeliveryRefused(EmailError, PermanentError):
    """The receiving side refused this mail for good (an SMTP reply of the 5xx kind); trying again cannot help."""


class DeliveryDeferred(EmailError):
    """The mail was not taken for now: a 4xx reply, a timeout, a lost connection, refused credentials. Try again."""
