"""Where accounts that another service keeps come in. Whoever verifies its tokens binds itself to the authenticator."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Protocol

from fastapi import Depends

from undercroft.core.db import Statement
from undercroft.core.errors import Forbidden
from undercroft.core.settings import load
from undercroft.providers.identity.settings import IdentitySettings


class LocalAccountsOff(Forbidden):
    code = "LOCAL_ACCOUNTS_OFF"
    message = "Accounts are kept by an identity provider here: register, sign in and change passwords there."


@dataclass(frozen=True, slots=True)
class Bearer:
    """What a verified token says: `values` find the person; `proven_at` and `passed_mfa` are how that was proven."""

    values: dict[str, Any]
    token: str = field(repr=False)
    claims: Any = field(repr=False)
    proven_at: datetime | None = None
    passed_mfa: bool = False


class ExternalAccounts(Protocol):
    """`personal` and `named` are statements of `principals.principal_statement`, run with a bearer's values."""

    personal: Statement
    named: Statement
    allows_cookies: bool

    async def verify(self, token: str) -> Bearer:
        """Raises `InvalidToken`, `TokenExpired`, and 503 for a key that cannot be asked for."""
        ...

    def subject(self, token: str) -> str | None:
        """Who it is, by what is known here and without I/O; None when the token is not valid."""
        ...

    async def admit(self, bearer: Bearer) -> None:
        """Make the account of somebody who comes for the first time. Raises `Unauthorized` and `Conflict`."""
        ...


def refuse_where_external() -> None:
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
    refuse_where_external()


def require_local_accounts() -> Any:
    """A dependency for routes that make no sense where another service keeps the accounts; else 403."""
    return Depends(_check)
