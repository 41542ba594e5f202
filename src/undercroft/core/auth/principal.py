"""The principal: ids and permissions, determined once per request."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct
from starlette.requests import HTTPConnection

from undercroft.core.audit import Actor, ActorKind
from undercroft.core.errors import Forbidden


class PlatformRole(StrEnum):
    """The role of a user on the whole platform, weakest first; the `teams` module defines roles in a team."""

    USER = "user"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"

    def includes(self, other: "PlatformRole") -> bool:
        order = list(PlatformRole)
        return order.index(self) >= order.index(other)


API_KEY_PREFIX = "uc_"
"""Prefix of every API key, which distinguishes it from an access token in `Authorization: Bearer`."""


def bearer_token(request: HTTPConnection) -> str | None:
    """The token in `Authorization: Bearer`; None for other schemes and without the header."""
    header: bytes = request.scope["state"]["request_headers"].get(b"authorization", b"")
    scheme, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class InteractiveSessionRequired(Forbidden):
    """The endpoint requires a session of this application: API keys and tokens of external issuers are refused."""

    code = "INTERACTIVE_SESSION_REQUIRED"
    message = "This requires a user session. API keys and tokens of external issuers are not accepted."


class ImpersonationForbidden(Forbidden):
    """Only the user may do this, not an administrator who impersonates them."""

    code = "IMPERSONATION_FORBIDDEN"
    message = "This is not allowed while impersonating a user."


class UserRequired(Forbidden):
    code = "USER_REQUIRED"
    message = "A team API key cannot do this: it does not belong to a user."


class Principal(Struct, frozen=True):
    """A signed-in user or an API key, as of this request.

    `team_id` is the current team; a team API key always has its own. `permissions` are those of the role in that team,
    for an API key limited to its scopes, and `team_role` is the name of that role. `subject` is the row that the
    authenticator read, so that reading the current user needs no further statement.

    `user_id_or_none` is None for a team API key, `session_id_or_none` for every API key. Use `user_id` and `session_id`
    where they are required: they raise 403 if missing.

    `reauthenticated_at` is when the session last verified a password or a factor, `second_factors` are the factors that
    the user has, and `passed_mfa` is true if this session verified one. `mfa_blocked` is true if the current team
    requires a second factor and this session has not verified one.

    `impersonator_id` is the administrator who impersonates this user.
    """

    user_id_or_none: UUID | None
    session_id_or_none: UUID | None
    role: PlatformRole
    team_id: UUID
    permissions: frozenset[str]
    subject: Any = None
    team_role: str = ""
    reauthenticated_at: datetime | None = None
    second_factors: tuple[str, ...] = ()
    passed_mfa: bool = False
    mfa_blocked: bool = False
    api_key_id: UUID | None = None
    scopes: frozenset[str] | None = None
    impersonator_id: UUID | None = None

    @property
    def user_id(self) -> UUID:
        """The id of the user. Raises `UserRequired` for a team API key."""
        if self.user_id_or_none is None:
            raise UserRequired
        return self.user_id_or_none

    @property
    def session_id(self) -> UUID:
        """The id of the session. Raises `InteractiveSessionRequired` if there is none."""
        if self.session_id_or_none is None:
            raise InteractiveSessionRequired
        return self.session_id_or_none

    def limit_to_scopes(self, permissions: frozenset[str]) -> frozenset[str]:
        """The given permissions, limited to those that this principal may use."""
        return permissions if self.scopes is None else permissions & self.scopes

    @property
    def actor(self) -> Actor:
        kind = ActorKind.USER if self.api_key_id is None else ActorKind.API_KEY
        return Actor(
            kind,
            user_id=self.user_id_or_none,
            session_id=self.session_id_or_none,
            api_key_id=self.api_key_id,
            impersonator_id=self.impersonator_id,
            is_staff=self.impersonator_id is not None or self.role is not PlatformRole.USER,
        )


class Authenticator(Protocol):
    """Authenticates requests, with at most one database statement and no other I/O."""

    async def authenticate(self, request: HTTPConnection) -> Principal:
        """Return the principal, bound by `bind_reauthorization` so that it is verified again after the request has
        waited.

        Raises `Unauthorized` (missing or invalid credentials), `Forbidden` (CSRF), `NotFound` (team).
        """
        ...

    def known_device(self, request: HTTPConnection) -> str | None:
        """A key for counting sign-ins from a device on which the account signed in before, without I/O; or None."""
        ...

    def verified_subject(self, request: HTTPConnection) -> str | None:
        """A key for rate limits, without I/O: the subject of a signed token, or an API key that was verified before."""
        ...
