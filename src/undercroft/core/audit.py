"""What will be audited is recorded here, in the transaction of the change.

Without an audit module bound, an entry goes to the security log once the transaction has been committed.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

import structlog

from undercroft.core.db.session import Session

log = structlog.get_logger("undercroft.security")


@dataclass(frozen=True, slots=True)
class Entry:
    """Who did what to which object. `action` is `noun.verb` in the past tense: `user.deactivated`."""

    action: str
    actor_id: UUID | None = None
    target_type: str = ""
    target_id: UUID | None = None
    team_id: UUID | None = None
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
    log.info(
        entry.action,
        actor_id=str(entry.actor_id) if entry.actor_id else None,
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
