"""Interfaces through which other modules take part in sign-in and authentication. They are bound at startup.

A sign-in method passes a `FirstFactor` to `SessionService.start`. The module with second factors adds a
`SecondFactorProvider`, the one with browser pages a `ChallengePage`; `ApiKeys` and `ExternalAccounts` add credentials
to the authenticator.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NoReturn, Protocol
from uuid import UUID

import msgspec
from sqlalchemy import ColumnElement
from starlette.requests import HTTPConnection, Request
from starlette.responses import Response

from undercroft.core.auth import Principal
from undercroft.core.context import current_context
from undercroft.core.db import Session
from undercroft.modules.sessions.errors import MfaRequired, MfaUnavailable
from undercroft.modules.sessions.models import SessionKind
from undercroft.modules.sessions.repository.principals import TeamStatements, UserConditions
from undercroft.modules.sessions.service.client import Client
from undercroft.modules.users import User


class FirstFactor(msgspec.Struct, frozen=True, omit_defaults=True):
    """How a user signed in. Stored while a sign-in waits for its second factor.

    `issuer` is the identity provider that verified the user; empty if this installation did. `identity` is an external
    identity to link to the account once the sign-in is complete.
    """

    issuer: str = ""
    identity: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        encoded: dict[str, Any] = msgspec.to_builtins(self)
        return encoded

    @classmethod
    def from_json(cls, stored: dict[str, Any] | None) -> "FirstFactor":
        return msgspec.convert(stored or {}, cls)


LOCAL_FIRST_FACTOR = FirstFactor()


class SecondFactorProvider(Protocol):
    async def create_challenge(
        self, session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
    ) -> MfaRequired:
        """Store the pending sign-in in the session's transaction, and return the error with which the client continues.

        `kind` is the type of session to start after the second factor.
        """


class ChallengePage(Protocol):
    async def __call__(self, request: Request, error: MfaRequired, next_path: str) -> Response:
        """Render the second factor page, which redirects to a path afterwards."""


async def render_challenge_page(request: Request, error: MfaRequired, next_path: str) -> Response | None:
    """Render the second factor page; None for clients other than browsers, and if there is no such page."""
    page, wants_page = current_context().find(ChallengePage), "text/html" in request.headers.get("accept", "")
    return await page(request, error, next_path) if page is not None and wants_page else None


async def raise_mfa_required(
    session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
) -> NoReturn:
    """Raise `MfaRequired`, or `MfaUnavailable` without a provider, so that the second factor is never skipped."""
    provider = current_context().find(SecondFactorProvider)
    if provider is None:
        raise MfaUnavailable
    raise await provider.create_challenge(session, user, client, kind, first_factor)


class ApiKeys(Protocol):
    """Authentication with API keys (`TokenAuthenticator.bind_api_keys`)."""

    async def authenticate(self, request: HTTPConnection, text: str) -> Principal:
        """Return the principal of a key. Raises `Unauthorized` and `TeamNotFound`."""

    def verified_subject(self, text: str) -> str | None:
        """Return a name for a key that was valid before, for rate limits and without I/O; None for any other text."""

    async def lock(self, session: Session, api_key_id: UUID) -> None:
        """Lock a key, so that it cannot be revoked before the transaction ends."""

    def limit_users(self, conditions: UserConditions) -> None:
        """Accept only keys of users who meet these conditions."""


@dataclass(frozen=True, slots=True)
class VerifiedToken:
    """A verified external token.

    `values` are parameters of the statement that finds the user. `reauthenticated_at` and `passed_mfa` describe when
    and how the user authenticated. `impersonator_id` is derived from the actor claim (RFC 8693, 4.1); None without one.
    """

    values: dict[str, Any]
    token: str = field(repr=False)
    claims: Any = field(repr=False)
    reauthenticated_at: datetime | None = None
    passed_mfa: bool = False
    impersonator_id: UUID | None = None


class ExternalAccounts(Protocol):
    """Accounts of an external identity provider (`TokenAuthenticator.bind_external`).

    `statements` come from `principal_statements`.
    """

    issuer: str
    statements: TeamStatements
    allows_cookies: bool

    def user_conditions(self, user_id: Any) -> tuple[ColumnElement[bool], ...]:
        """Return conditions that hold while the issuer knows the user in this id column and has not blocked it."""

    async def verify(self, token: str) -> VerifiedToken:
        """Raises `InvalidToken`, `TokenExpired`, and `ServiceUnavailable` if the signing key cannot be fetched."""

    def subject(self, token: str) -> str | None:
        """Return the subject, using cached keys and no I/O; None if the token is invalid."""

    async def provision_user(self, bearer: VerifiedToken) -> None:
        """Create the account at the user's first request. Raises `AppError` if the user is refused."""

    async def sync_claims(self, bearer: VerifiedToken, principal: Principal) -> None:
        """Store claims of the token that differ from the stored ones. No I/O if none do."""
