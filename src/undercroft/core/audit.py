"""What will be audited is recorded here, in the transaction of the change.

Without an audit module bound, an entry goes to the security log once the transaction has been committed.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from enum import StrEnum
from typing import Any, Protocol
from uuid import UUID

import structlog
from msgspec import Struct, field

from undercroft.core.db.session import Session

log = structlog.get_logger("undercroft.security")


class ActorKind(StrEnum):
    USER = "user"
    API_KEY = "api_key"
    JOB = "job"
    COMMAND = "command"
    SYSTEM = "system"


class Actor(Struct, frozen=True):
    """Who acts, as the guard, the worker or the command line found out; `impersonator_id` is who acts as `user_id`."""

    kind: ActorKind = ActorKind.SYSTEM
    user_id: UUID | None = None
    session_id: UUID | None = None
    api_key_id: UUID | None = None
    impersonator_id: UUID | None = None
    job_id: UUID | None = None


SYSTEM = Actor()
_actor: ContextVar[Actor] = ContextVar("undercroft_actor", default=SYSTEM)


def current_actor() -> Actor:
    """Who acts here; `SYSTEM` where nobody said."""
    return _actor.get()


def act_as(actor: Actor) -> None:
    """From here on, in this task, this one acts."""
    _actor.set(actor)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Within this block this one acts."""
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


class Entry(Struct, frozen=True):
    """Who did what to which object. `action` is `noun.verb` in the past tense: `user.deactivated`.

    The actor comes from the context; `actor_id` names another one, where somebody acts who is not signed in yet.
    `before` and `after` hold the changed fields, `details` what else is worth knowing.
    """

    action: str
    actor_id: UUID | None = None
    target_type: str = ""
    target_id: UUID | None = None
    team_id: UUID | None = None
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)
    details: Mapping[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    async def write(self, session: Session, entry: Entry) -> None:
        """Keep the entry in the session's transaction."""
        ...


class SecurityLog:
    """Writes entries as lines of the security log after the commit; nothing of what was rolled back."""

    async def write(self, session: Session, entry: Entry) -> None:
        session.after_commit(lambda: _log(entry))


def _log(entry: Entry) -> None:
    actor_id = entry.actor_id or current_actor().user_id
    log.info(
        entry.action,
        actor_id=str(actor_id) if actor_id else None,
        target_type=entry.target_type or None,
        target_id=str(entry.target_id) if entry.target_id else None,
        team_id=str(entry.team_id) if entry.team_id else None,
        **entry.details,
    )


_sink: Sink = SecurityLog()


def bind(sink: Sink) -> None:
    """Send entries here from now on."""
    global _sink
    _sink = sink


async def record(session: Session, entry: Entry) -> None:
    """Record an entry together with the change that it describes."""
    await _sink.write(session, entry)
