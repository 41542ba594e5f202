"""Read and export the audit log. An export is itself recorded, reading is not."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database, ReadSession
from undercroft.core.db.repository import Position
from undercroft.modules.audit.export import WRITERS
from undercroft.modules.audit.models import PersonalPart
from undercroft.modules.audit.repository import AuditRepository, build_filters
from undercroft.modules.audit.schemas import AdminFilter, AuditFilter, ExportQuery

BATCH_SIZE = 500
ACTOR_FIELDS = ("user_id", "session_id", "api_key_id", "impersonator_id", "job_id")
ENTRY_FIELDS = ("id", "occurred_at", "action", "target_type", "target_id", "team_id", "request_id")
CHANGE_FIELDS = ("before", "after", "details")


class AuditLog:
    """The log of one team, or the whole log with the current data of users if no team is given."""

    def __init__(self, session: ReadSession, *, team_id: Any = None) -> None:
        self._entries = AuditRepository(session)
        self._team_id = team_id

    async def page(self, filters: AuditFilter, *, page: int, size: int) -> tuple[list[dict[str, Any]], int]:
        """List one page of entries, newest first, with the total count."""
        rows, total = await self._entries.page(self._where(filters), page=page, size=size)
        return self._serialize(rows), total

    async def list_after(
        self, filters: AuditFilter, *, after: Position | None, limit: int
    ) -> tuple[list[dict[str, Any]], Position | None]:
        """List the next entries, newest first, with the next position; no count."""
        rows, following = await self._entries.list_after(self._where(filters), after=after, limit=limit)
        return self._serialize(rows), following

    def _where(self, filters: AuditFilter) -> Any:
        team_id = filters.team_id if isinstance(filters, AdminFilter) else self._team_id
        return build_filters(filters, team_id=team_id)

    def _serialize(self, rows: Sequence[Any]) -> list[dict[str, Any]]:
        return [serialize_entry(row, for_team=self._team_id is not None) for row in rows]


async def export(database: Database, filters: ExportQuery) -> AsyncIterator[bytes]:
    """Record the export, then stream matching entries as a file."""
    async with database.session() as session:
        await record(session, Entry("audit.exported", target_type="audit", details=filters.as_details()))
    return _stream_entries(database, filters)


async def _stream_entries(database: Database, filters: ExportQuery) -> AsyncIterator[bytes]:
    """Yield batches. Each uses its own connection, so that a slow client does not occupy one."""
    write, position = WRITERS[filters.format](), None
    while True:
        async with database.read_session() as session:
            found, position = await AuditLog(session).list_after(filters, after=position, limit=BATCH_SIZE)
        yield write(found)
        if position is None:
            return


def _is_by_staff(row: Any, origin: Mapping[str, Any]) -> bool:
    """Whether platform staff acted, by the mark in the entry, or for older entries by the user's current role."""
    return row.impersonator_id is not None or bool(origin.get("staff")) or row.role not in (None, PlatformRole.USER)


def serialize_entry(row: Any, *, for_team: bool) -> dict[str, Any]:
    """Serialize an entry with its personal values. A team sees neither current user data nor the origin of staff."""
    personal_values = row.personal_values or {}
    origin, fields, texts = (personal_values.get(part, {}) for part in PersonalPart)
    actor = {"kind": row.actor_kind, **{name: getattr(row, name) for name in ACTOR_FIELDS}}
    if not for_team:
        actor |= {"email": row.email, "full_name": row.full_name}
    elif _is_by_staff(row, origin):
        origin = {}
    return {
        **{name: getattr(row, name) for name in ENTRY_FIELDS},
        "actor": actor,
        "ip": origin.get("ip") or None,
        "user_agent": origin.get("user_agent") or None,
        **{name: {**getattr(row, name), **fields.get(name, {}), **texts.get(name, {})} for name in CHANGE_FIELDS},
    }
