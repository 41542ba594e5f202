"""Who somebody is at an identity provider."""

from datetime import UTC, datetime

from msgspec import Struct

from undercroft.core.validation import normalise_email
from undercroft.core.validation.address import EMAIL_LENGTH
from undercroft.core.validation.text import NAME_LENGTH, tidy_line


class Profile(Struct, frozen=True):
    """`issuer` and `subject` are who it is for ever; the address may change and is only theirs when it is verified.

    `at` is when the provider knew this, so that older news never overwrite later ones.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    full_name: str = ""
    at: datetime | None = None

    @classmethod
    def of(
        cls, issuer: str, subject: str, *, email: object, verified: bool, name: object, at: float | None = None
    ) -> "Profile":
        """Brings what the provider says into our form; an address that is none is left out."""
        address = _address(email)
        return cls(issuer, subject, address, verified and address is not None, _name(name), moment_of(at or None))


def moment_of(seconds: float | None) -> datetime | None:
    """Unix seconds as a time in UTC; None for none, and for what no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _address(value: object) -> str | None:
    try:
        return normalise_email(value) if isinstance(value, str) and len(value) <= EMAIL_LENGTH else None
    except ValueError:
        return None


def _name(value: object) -> str:
    try:
        return tidy_line(value[:NAME_LENGTH]) if isinstance(value, str) else ""
    except ValueError:
        return ""
