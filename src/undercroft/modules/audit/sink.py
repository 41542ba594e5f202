"""Write entries to the tables in the transaction of the change, and to the log after the commit."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from undercroft.core.audit import Actor, Entry, RequestOrigin, current_origin
from undercroft.core.db import Session, Statement, utc_now
from undercroft.core.db.statement import WithCte
from undercroft.core.ids import new_id
from undercroft.core.telemetry import logs
from undercroft.modules.audit.models import PersonalPart
from undercroft.modules.audit.privacy import split_values

COLUMNS = {
    "occurred_at": "timestamptz",
    "id": "uuid",
    "action": "text",
    "actor_kind": "text",
    "user_id": "uuid",
    "session_id": "uuid",
    "api_key_id": "uuid",
    "impersonator_id": "uuid",
    "job_id": "uuid",
    "target_type": "text",
    "target_id": "uuid",
    "team_id": "uuid",
    "request_id": "text",
    "before": "jsonb",
    "after": "jsonb",
    "details": "jsonb",
}
_COLUMN_NAMES = ", ".join(COLUMNS)
_COLUMN_DEFINITIONS = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())

INSERT_ENTRY_CTE = f"""
entry AS (
    SELECT * FROM jsonb_to_record(CAST(CAST(:audit AS text) AS jsonb)) AS e ({_COLUMN_DEFINITIONS}, personal jsonb)
    WHERE EXISTS (SELECT FROM written)
), stored_entry AS (
    INSERT INTO audit_entries ({_COLUMN_NAMES}) SELECT {_COLUMN_NAMES} FROM entry
), stored_personal AS (
    INSERT INTO audit_personal (occurred_at, entry_id, part, person_id, values)
    SELECT entry.occurred_at, entry.id, p.part, p.person_id, p.values
    FROM entry, jsonb_to_recordset(entry.personal) AS p (part text, person_id uuid, values jsonb)
)
"""  # noqa: S608 - only constants

INSERT_ENTRY = WithCte(Statement(text("SELECT 1 AS one")), INSERT_ENTRY_CTE)
_encode = msgspec.json.Encoder(enc_hook=str).encode


class DatabaseSink:
    """Default `Sink`: an entry costs one statement, or none when combined with the statement of the change."""

    async def write(self, session: Session, entry: Entry) -> None:
        row, encoded, whole = encode_entry(entry)
        await session.fetch(INSERT_ENTRY, audit=whole)
        session.after_commit(lambda: logs.write_audit(row, encoded))

    async def write_one(self, session: Session, statement: Statement, entry: Entry, values: dict[str, Any]) -> None:
        row, encoded, values["audit"] = encode_entry(entry)
        change = await session.write_one(_with_audit_entry(statement), **values)
        session.after_commit(lambda: logs.write_audit(row, encoded) if change.rows else None)


@cache
def _with_audit_entry(statement: Statement) -> Statement:
    return WithCte(statement, INSERT_ENTRY_CTE)


def encode_entry(entry: Entry) -> tuple[dict[str, Any], str, str]:
    """Return an entry as columns, as JSON, and as JSON that includes its personal values as `personal`."""
    row, personal = build_row(entry)
    encoded = _encode(row).decode()
    return row, encoded, f'{encoded[:-1]},"personal":{_encode(personal).decode()}}}'


def build_row(entry: Entry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the columns of an entry and the rows of personal values."""
    actor, origin = entry.actor, current_origin()
    changed: dict[str, Mapping[str, Any]] = {"before": {}, "after": {}, "details": {}}
    fields: dict[str, Mapping[str, Any]] = {}
    texts: dict[str, Mapping[str, Any]] = {}
    for name in changed:
        if values := getattr(entry, name):
            changed[name], fields[name], texts[name] = split_values(values, entry.personal)
    row = {
        "occurred_at": utc_now(),
        "id": new_id(),
        "action": entry.action,
        "actor_kind": actor.kind,
        "user_id": actor.user_id,
        "session_id": actor.session_id,
        "api_key_id": actor.api_key_id,
        "impersonator_id": actor.impersonator_id,
        "job_id": actor.job_id,
        "target_type": entry.target_type or None,
        "target_id": entry.target_id,
        "team_id": entry.team_id,
        "request_id": origin.request_id,
        **changed,
    }
    return row, _personal_rows(entry, actor, origin, _drop_empty(fields), _drop_empty(texts))


def _drop_empty(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: values for name, values in parts.items() if values}


def _personal_rows(
    entry: Entry, actor: Actor, origin: RequestOrigin, fields: Mapping[str, Any], texts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Build the rows of personal values, each with the user or team it is about: the actor, the target or the team."""
    target = entry.target_id if entry.target_type == "user" else None
    who = actor.impersonator_id or actor.user_id
    personal: list[dict[str, Any]] = []
    if origin.ip or origin.user_agent:
        values: dict[str, Any] = {"ip": origin.ip, "user_agent": origin.user_agent}
        if actor.is_staff:
            values["staff"] = True
        personal.append(_personal_row(PersonalPart.ORIGIN, who or entry.person_id or target or entry.team_id, values))
    if fields:
        personal.append(_personal_row(PersonalPart.FIELDS, entry.person_id or target or who, fields))
    if texts:
        personal.append(_personal_row(PersonalPart.TEXTS, entry.team_id or entry.person_id or target or who, texts))
    return personal


def _personal_row(part: PersonalPart, person_id: UUID | None, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"part": part, "person_id": person_id, "values": values}
