"""The principal: ids and a set of permissions, found out once per request."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

from starlette.requests import Request

from undercroft.core.audit import Actor, ActorKind


class PlatformRole(StrEnum):
    """What somebody is on the platform as a whole, weakest first; roles in a team are the `teams` module's."""

    USER = "user"
    ADMIN = "admin"
    SUPERADMIN = "superadmin"

    def includes(self, other: "PlatformRole") -> bool:
        order = list(PlatformRole)
        return order.index(self) >= order.index(other)


@dataclass(frozen=True, slots=True)
class Principal:
    """Somebody signed in, as of this request.

    `team_id` is the current team (`X-Team-ID`, else the personal team); `permissions` are those of the role in it.
    `subject` is the row that the authenticator read to know them, so that reading oneself costs nothing more.

    `proven_at` is when the session last saw a password or a factor, `second_factors` are those that the person has, and
    `passed_mfa` says whether this session saw one. `closed_team` says that the current team asks for that in vain.
    """

    user_id: UUID
    session_id: UUID
    role: PlatformRole
    team_id: UUID
    permissions: frozenset[str]
    subject: Any = None
    proven_at: datetime | None = None
    second_factors: tuple[str, ...] = ()
    passed_mfa: bool = False
    closed_team: bool = False

    @property
    def actor(self) -> Actor:
        return Actor(ActorKind.USER, user_id=self.user_id, session_id=self.session_id)


class Authenticator(Protocol):
    """Tells who sent a request, with one database statement at most and no other I/O."""

    async def authenticate(self, request: Request) -> Principal:
        """The principal. Raises `Unauthorized` (no or bad credentials), `Forbidden` (CSRF), `NotFound` (team)."""
        ...

    def verified_subject(self, request: Request) -> str | None:
        """Who signed this request's token, by its signature alone, without I/O; what limits are counted by."""
        ...
