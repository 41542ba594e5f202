"""Profile of a user at an identity provider."""

from datetime import UTC, datetime

from msgspec import UNSET, Struct, UnsetType

from undercroft.core.validation import normalize_email
from undercroft.core.validation.email import EMAIL_LENGTH
from undercroft.core.validation.text import NAME_LENGTH, normalize_line

FOREVER = datetime(9999, 1, 1, tzinfo=UTC)
"""End of a permanent block."""


class Profile(Struct, frozen=True):
    """Profile of a user as reported by a provider.

    `issuer` and `subject` identify the user permanently; the address may change. `at` is the time of the profile at
    the provider, so that older data never overwrites newer data. `blocked_until` is the end of a block by the
    provider: a time, `FOREVER`, None for a user who is not blocked, or UNSET if the provider does not report it.
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
        email: object = None,
        verified: bool = False,
        name: object = None,
        at: float | None = None,
        blocked_until: datetime | UnsetType | None = UNSET,
    ) -> "Profile":
        """Create a profile from unvalidated values. An invalid address is omitted."""
        address, known_at = _address(email), to_datetime(at or None)
        return cls(issuer, subject, address, verified and address is not None, _name(name), known_at, blocked_until)

    @property
    def is_blocked(self) -> bool:
        return isinstance(self.blocked_until, datetime) and self.blocked_until > datetime.now(UTC)


def to_datetime(seconds: float | None) -> datetime | None:
    """Convert Unix seconds to a time in UTC; None for None and for values out of range."""
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
