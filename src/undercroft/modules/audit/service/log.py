"""Read the audit log, and export it as CSV or JSON lines. An export is itself recorded, reading is not."""

import csv
from collections.abc import AsyncIterator, Mapping, Sequence
from io import StringIO
from typing import Any
from uuid import UUID

import msgspec

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database, Paging, ReadSession, RowPage
from undercroft.core.spreadsheets import escape_cell
from undercroft.modules.audit.models import PersonalPart
from undercroft.modules.audit.repository import AuditRepository, build_filters
from undercroft.modules.audit.schemas import AdminFilter, AuditFilter, ExportFormat, ExportQuery

BATCH_SIZE = 500
ACTOR_FIELDS = ("user_id", "session_id", "api_key_id", "impersonator_id", "job_id")
ENTRY_FIELDS = ("id", "occurred_at", "action", "target_type", "target_id", "team_id", "request_id")
CHANGE_FIELDS = ("before", "after", "details")


async def read_log(
    session: ReadSession, filters: AuditFilter, paging: Paging, *, team_id: UUID | None = None
) -> RowPage[dict[str, Any]]:
    """List serialized entries of one team, or if no team is given all entries with the current data of users."""
    owner_id = filters.team_id if isinstance(filters, AdminFilter) else team_id
    rows = await AuditRepository(session).list(paging, *build_filters(filters, team_id=owner_id))
    return rows.map(lambda row: serialize_entry(row, for_team=team_id is not None))


async def export(database: Database, filters: ExportQuery, *, team_id: UUID | None = None) -> AsyncIterator[bytes]:
    """Stream matching entries, of one team if one is given, as a file. Records an export of the whole log first."""
    if team_id is None:
        async with database.session() as session:
            await record(session, Entry("audit.exported", target_type="audit", details=filters.as_details()))
    return _stream_entries(database, filters, team_id)


async def _stream_entries(database: Database, filters: ExportQuery, team_id: UUID | None) -> AsyncIterator[bytes]:
    """Yield batches. Each uses its own connection, so that a slow client does not occupy one."""
    write, position = WRITERS[filters.format], None
    while True:
        async with database.read_session() as session:
            found = await read_log(
                session, filters, Paging(size=BATCH_SIZE, keyset=True, after=position), team_id=team_id
            )
        yield write(found.items, is_first=position is None)
        position = found.next
        if position is None:
            return


def _is_by_staff(row: Any, origin: Mapping[str, Any]) -> bool:
    """Whether platform staff acted, by the mark in the entry, or for older entries by the user's current role."""
    return row.impersonator_id is not None or bool(origin.get("staff")) or row.role not in (None, PlatformRole.USER)


def serialize_entry(row: Any, *, for_team: bool) -> dict[str, Any]:
    """Serialize an entry with its personal values. A team sees the current data only of members, and no origin of
    staff.
    """
    personal_values = row.personal_values or {}
    origin, fields, texts = (personal_values.get(part, {}) for part in PersonalPart)
    actor = {"kind": row.actor_kind, **{name: getattr(row, name) for name in ACTOR_FIELDS}}
    is_named = not for_team or (row.is_member and row.impersonator_id is None)
    actor |= {"email": row.email, "full_name": row.full_name} if is_named else {"email": None, "full_name": None}
    if for_team and _is_by_staff(row, origin):
        origin = {}
    return {
        **{name: getattr(row, name) for name in ENTRY_FIELDS},
        "actor": actor,
        "ip": origin.get("ip") or None,
        "user_agent": origin.get("user_agent") or None,
        **{name: {**getattr(row, name), **fields.get(name, {}), **texts.get(name, {})} for name in CHANGE_FIELDS},
    }


CSV_COLUMNS = (
    *("occurred_at", "id", "action", "actor_kind", "actor_user_id", "actor_email", "actor_full_name"),
    *("actor_session_id", "actor_api_key_id", "actor_impersonator_id", "actor_job_id"),
    *("target_type", "target_id", "team_id", "request_id", "ip", "user_agent", "before", "after", "details"),
)
_encode = msgspec.json.Encoder(enc_hook=str).encode


def _write_csv(entries: Sequence[dict[str, Any]], *, is_first: bool) -> bytes:
    """Encode entries as CSV (RFC 4180), the first ones with a header line."""
    text = StringIO()
    lines = csv.writer(text)
    if is_first:
        lines.writerow(CSV_COLUMNS)
    lines.writerows([_cell(value) for value in _flatten(entry)] for entry in entries)
    return text.getvalue().encode("utf-8", "replace")


def _write_json_lines(entries: Sequence[dict[str, Any]], *, is_first: bool) -> bytes:  # noqa: ARG001 - as `_write_csv`
    """Encode each entry as a line of JSON, in the form of the API."""
    return b"".join(_encode(entry) + b"\n" for entry in entries)


WRITERS = {ExportFormat.CSV: _write_csv, ExportFormat.JSONL: _write_json_lines}
MEDIA_TYPES = {ExportFormat.CSV: "text/csv", ExportFormat.JSONL: "application/jsonl"}


def _flatten(entry: dict[str, Any]) -> list[Any]:
    actor = {f"actor_{name}": value for name, value in entry["actor"].items()}
    return [{**entry, **actor}.get(name) for name in CSV_COLUMNS]


def _cell(value: Any) -> str:
    """Format a cell as text, so that a spreadsheet does not evaluate values as formulas (CSV injection)."""
    return escape_cell(_encode(value).decode() if isinstance(value, dict) else value)
