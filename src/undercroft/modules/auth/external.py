"""Where accounts that another service keeps come in. Whoever verifies its tokens binds itself to the authenticator."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol
from uuid import UUID

from fastapi import Depends
from sqlalchemy import ColumnElement

from undercroft.core.auth import Principal
from undercroft.core.errors import Forbidden
from undercroft.core.settings import load
from undercroft.modules.auth.principals import TeamStatements
from undercroft.providers.identity.settings import IdentitySettings


class LocalAccountsOff(Forbidden):
    code = "LOCAL_ACCOUNTS_OFF"
    message = "Accounts are kept by an identity provider here: register, sign in and change passwords there."


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """What a verified token says: `values` find the user; `proven_at` and `passed_mfa` are how that was proven.

    `impersonator_id` is derived from who acts as the user at the issuer (RFC 8693, 4.1); None for the user in person.
    """

    values: dict[str, Any]
    token: str = field(repr=False)
    claims: Any = field(repr=False)
    proven_at: datetime | None = None
    passed_mfa: bool = False
    impersonator_id: UUID | None = None


class ExternalAccounts(Protocol):
    """`statements` are those of `principals.principal_statements`, run with a bearer's values."""

    issuer: str
    statements: TeamStatements
    allows_cookies: bool

    def user_conditions(self, user_id: Any) -> tuple[ColumnElement[bool], ...]:
        """Conditions for the issuer still knowing the user whose id is in this column, and not blocking them."""
        ...

    async def verify(self, token: str) -> VerifiedToken:
        """Raises `InvalidToken`, `TokenExpired`, and 503 for a key that cannot be asked for."""
        ...

    def subject(self, token: str) -> str | None:
        """Who it is, by what is known here and without I/O; None when the token is not valid."""
        ...

    async def provision_user(self, bearer: VerifiedToken) -> None:
        """Make the account of a user who comes for the first time. Raises `Unauthorized` and `Conflict`."""
        ...

    async def sync_claims(self, bearer: VerifiedToken, principal: Principal) -> None:
        """Take in what a token says that is not known here yet. No I/O unless there is such a thing."""
        ...


def ensure_local_accounts() -> None:
    """Raises `LocalAccountsOff` where another service keeps the accounts."""
    if load(IdentitySettings).is_external:
        raise LocalAccountsOff


def require_issuer(issuer: str) -> None:
    """Raises `LocalAccountsOff` where another service has the accounts and is not the one that verified a user.

    Passkeys, passwords and links of before would go on for users whom that service no longer knows.
    """
    settings = load(IdentitySettings)
    if settings.is_external and issuer != settings.issuer:
        raise LocalAccountsOff


async def _check() -> None:
    ensure_local_accounts()


def require_local_accounts() -> Any:
    """A dependency for routes that make no sense where another service keeps the accounts; else 403."""
    return Depends(_check)
