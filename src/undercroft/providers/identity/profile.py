"""Who somebody is at an identity provider."""

from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType

from undercroft.core.validation import normalize_email
from undercroft.core.validation.email import EMAIL_LENGTH
from undercroft.core.validation.text import NAME_LENGTH, normalize_line

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
"""When a block ends that has no end."""


class Profile(Struct, frozen=True):
    """`issuer` and `subject` are who it is for ever; the address may change and is only theirs when it is verified.

    `at` is when the provider knew this, so that older news never overwrite later ones. `blocked_until` is for how long
    the provider lets the user not sign in: `FOREVER`, a time, None for a user who may, UNSET where it does not say.
    """

    issuer: str
    subject: str
    email: str | None = None
    email_verified: bool = False
    full_name: str = ""
    at: datetime | None = None
    blocked_until: datetime | UnsetType | None = UNSET

    @classmethod
    def of(
        cls,
        issuer: str,
        subject: str,
        *,
        email: object,
        verified: bool,
        name: object,
        at: float | None = None,
        blocked_until: datetime | UnsetType | None = UNSET,
    ) -> "Profile":
        """Brings what the provider says into our form; an address that is none is left out."""
        address, known_at = _address(email), to_datetime(at or None)
        return cls(issuer, subject, address, verified and address is not None, _name(name), known_at, blocked_until)

    @property
    def is_blocked(self) -> bool:
        return isinstance(self.blocked_until, datetime) and self.blocked_until > datetime.now(UTC)


def to_datetime(seconds: float | None) -> datetime | None:
    """Unix seconds as a time in UTC; None for none, and for what no calendar has."""
    try:
        return None if seconds is None else datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _address(value: object) -> str | None:
    try:
        return normalize_email(value) if isinstance(value, str) and len(value) <= EMAIL_LENGTH else None
    except ValueError:
        return None


def _name(value: object) -> str:
    try:
        return normalize_line(value[:NAME_LENGTH]) if isinstance(value, str) else ""
    except ValueError:
        return ""
