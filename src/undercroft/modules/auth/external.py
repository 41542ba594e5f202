"""The interface to accounts at an external identity provider. The module that verifies its tokens is bound to the
authenticator (`TokenAuthenticator.bind_external`)."""

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
    message = "Accounts are managed by an identity provider. Register, sign in and change your password there."


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A verified external token.

    `values` are the parameters of the statement that finds the user. `proven_at` and `passed_mfa` describe when and how
    the user authenticated. `impersonator_id` is derived from the actor claim (RFC 8693, 4.1); None without one.
    """

    values: dict[str, Any]
    token: str = field(repr=False)
    claims: Any = field(repr=False)
    proven_at: datetime | None = None
    passed_mfa: bool = False
    impersonator_id: UUID | None = None


class ExternalAccounts(Protocol):
    """Accounts of an external identity provider. `statements` come from `principals.principal_statements`."""

    issuer: str
    statements: TeamStatements
    allows_cookies: bool

    def user_conditions(self, user_id: Any) -> tuple[ColumnElement[bool], ...]:
        """Return conditions that hold while the issuer knows the user in this id column and has not blocked it."""
        ...

    async def verify(self, token: str) -> VerifiedToken:
        """Raises `InvalidToken`, `TokenExpired`, and `ServiceUnavailable` if the signing key cannot be fetched."""
        ...

    def subject(self, token: str) -> str | None:
        """Return the subject, using cached keys and no I/O; None if the token is invalid."""
        ...

    async def provision_user(self, bearer: VerifiedToken) -> None:
        """Create the account at the user's first request. Raises `Unauthorized` and `Conflict`."""
        ...

    async def sync_claims(self, bearer: VerifiedToken, principal: Principal) -> None:
        """Store claims of the token that differ from the stored ones. No I/O if none do."""
        ...


def ensure_local_accounts() -> None:
    """Raise `LocalAccountsOff` if an external identity provider manages the accounts."""
    if load(IdentitySettings).is_external:
        raise LocalAccountsOff


def require_issuer(issuer: str) -> None:
    """Raise `LocalAccountsOff` if an external identity provider manages the accounts and did not verify this user.

    Otherwise earlier passkeys, passwords and links would still work for users that the provider has removed.
    """
    settings = load(IdentitySettings)
    if settings.is_external and issuer != settings.issuer:
        raise LocalAccountsOff


async def _check_local_accounts() -> None:
    ensure_local_accounts()


def require_local_accounts() -> Any:
    """Return a dependency for routes that need local accounts; without them they return 403."""
    return Depends(_check_local_accounts)
