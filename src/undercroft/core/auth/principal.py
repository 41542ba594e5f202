"""The principal: ids and a set of permissions, found out once per request."""

from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from msgspec import Struct
from starlette.requests import Request

from undercroft.core.audit import Actor, ActorKind
from undercroft.core.errors import Forbidden


class PlatformRole(StrEnum):
    """What somebody is on the platform as a whole, weakest first; roles in a team are the `teams` module's."""

    USER = "user"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"

    def includes(self, other: "PlatformRole") -> bool:
        order = list(PlatformRole)
        return order.index(self) >= order.index(other)


API_KEY_PREFIX = "uc_"
"""How every API key begins: by this an `Authorization: Bearer` is told from an access token."""


def bearer_token(request: Request) -> str | None:
    """What follows `Authorization: Bearer`, read in one way by whoever looks at it; None for other schemes and none."""
    header: bytes = request.scope["state"]["request_headers"].get(b"authorization", b"")
    scheme, _, token = header.decode("latin-1").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else None


class InteractiveSessionRequired(Forbidden):
    """What belongs to a person at a screen is out of reach of API keys, whatever their scopes, and what belongs to a
    session of ours of tokens that another issuer gave."""

    code = "INTERACTIVE_SESSION_REQUIRED"
    message = "This is for people who signed in here: no API key can do it, and no token of another issuer."


class ImpersonationForbidden(Forbidden):
    """What only a person may do for themselves, and no administrator who acts as them."""

    code = "IMPERSONATION_FORBIDDEN"
    message = "An administrator who acts as somebody cannot do this."


class UserRequired(Forbidden):
    code = "USER_REQUIRED"
    message = "A team's API key cannot do this: it acts for no user."


class Principal(Struct, frozen=True):
    """Somebody signed in, or an API key, as of this request.

    `team_id` is the current team: the one that an `app` route's path names as `team_id`, else `X-Team-ID`, else the
    personal team; a team's key has only its own. `permissions` are those of the role in it, a key's at most its scopes,
    and `team_role` is what that role is called. `subject` is the row that the authenticator read to know them, so that
    reading oneself costs nothing more.

    `user_id_or_none` is None for a team's key, `session_id_or_none` for every key. Ask for `user_id` and `session_id`
    where nothing can be done without: they refuse the others with 403.

    `proven_at` is when the session last saw a password or a factor, `second_factors` are those that the person has, and
    `passed_mfa` says whether this session saw one. `mfa_blocked` says that the current team asks for that in vain.

    `impersonator_id` is the administrator who acts as this person.
    """

    user_id_or_none: UUID | None
    session_id_or_none: UUID | None
    role: PlatformRole
    team_id: UUID
    permissions: frozenset[str]
    subject: Any = None
    team_role: str = ""
    proven_at: datetime | None = None
    second_factors: tuple[str, ...] = ()
    passed_mfa: bool = False
    mfa_blocked: bool = False
    api_key_id: UUID | None = None
    scopes: frozenset[str] | None = None
    impersonator_id: UUID | None = None

    @property
    def user_id(self) -> UUID:
        """Who this is. Raises `UserRequired` for a team's key."""
        if self.user_id_or_none is None:
            raise UserRequired
        return self.user_id_or_none

    @property
    def session_id(self) -> UUID:
        """The session of the sign-in. Raises `InteractiveSessionRequired` where there is none."""
        if self.session_id_or_none is None:
            raise InteractiveSessionRequired
        return self.session_id_or_none

    def limit_to_scopes(self, permissions: frozenset[str]) -> frozenset[str]:
        """Of the permissions that somebody's role in any team has, those that this principal may use."""
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
    """Tells who sent a request, with one database statement at most and no other I/O."""

    async def authenticate(self, request: Request) -> Principal:
        """The principal, bound by `bind_authorization` so that it is verified again after the request has waited.

        Raises `Unauthorized` (no or bad credentials), `Forbidden` (CSRF), `NotFound` (team).
        """
        ...

    def known_device(self, request: Request) -> str | None:
        """What sign-ins from a device on which an account signed in before are counted by, without I/O; else None."""
        ...

    def verified_subject(self, request: Request) -> str | None:
        """What limits are counted by, without I/O: who signed the token, or an API key that was verified before."""
        ...
