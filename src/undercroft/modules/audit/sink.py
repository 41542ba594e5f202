"""Where entries go: into the table, in the transaction of the change, and after its commit to the log."""

from collections.abc import Mapping
from functools import cache
from typing import Any
from uuid import UUID

import msgspec
from sqlalchemy import text

from undercroft.core.audit import Actor, Entry, Origin, current_origin
from undercroft.core.db import Session, Statement, utc_now
from undercroft.core.db.statement import Accompanied
from undercroft.core.ids import new_id
from undercroft.core.telemetry import logs
from undercroft.modules.audit.models import Part
from undercroft.modules.audit.privacy import split

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
_NAMES = ", ".join(COLUMNS)
_TYPED = ", ".join(f"{name} {kind}" for name, kind in COLUMNS.items())

KEEP = f"""
entry AS (
    SELECT * FROM jsonb_to_record(CAST(CAST(:audit AS text) AS jsonb)) AS e ({_TYPED}, apart jsonb)
    WHERE EXISTS (SELECT FROM written)
), kept AS (
    INSERT INTO audit_entries ({_NAMES}) SELECT {_NAMES} FROM entry
), kept_apart AS (
    INSERT INTO audit_personal (occurred_at, entry_id, part, person_id, values)
    SELECT entry.occurred_at, entry.id, p.part, p.person_id, p.values
    FROM entry, jsonb_to_recordset(entry.apart) AS p (part text, person_id uuid, values jsonb)
)
"""  # noqa: S608 - only constants

ALONE = Accompanied(Statement(text("SELECT 1 AS one")), KEEP)
_encode = msgspec.json.Encoder(enc_hook=str).encode


class AuditTable:
    """The `Sink` of this product: an entry costs one statement, or none more beside a statement of its own."""

    async def write(self, session: Session, entry: Entry) -> None:
        row, encoded, whole = written(entry)
        await session.fetch(ALONE, audit=whole)
        session.after_commit(lambda: logs.write_audit(row, encoded))

    async def write_one(self, session: Session, statement: Statement, entry: Entry, values: dict[str, Any]) -> None:
        row, encoded, values["audit"] = written(entry)
        change = await session.write_one(_audited(statement), **values)
        session.after_commit(lambda: logs.write_audit(row, encoded) if change.rows else None)


@cache
def _audited(statement: Statement) -> Statement:
    return Accompanied(statement, KEEP)


def written(entry: Entry) -> tuple[dict[str, Any], str, str]:
    """An entry as its columns, the same as JSON, and that with what is kept `apart` from it."""
    row, apart = row_of(entry)
    encoded = _encode(row).decode()
    return row, encoded, f'{encoded[:-1]},"apart":{_encode(apart).decode()}}}'


def row_of(entry: Entry) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """An entry as the tables keep it: its columns, and the personal values apart from them."""
    actor, origin = entry.actor, current_origin()
    changed: dict[str, Mapping[str, Any]] = {"before": {}, "after": {}, "details": {}}
    fields: dict[str, Mapping[str, Any]] = {}
    texts: dict[str, Mapping[str, Any]] = {}
    for name in changed:
        if values := getattr(entry, name):
            changed[name], fields[name], texts[name] = split(values, entry.personal)
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
    return row, _apart(entry, actor, origin, _filled(fields), _filled(texts))


def _filled(parts: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: values for name, values in parts.items() if values}


def _apart(
    entry: Entry, actor: Actor, origin: Origin, fields: Mapping[str, Any], texts: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """What is kept apart, by whom it is about: who acts, of whom the entry tells, and the team whose texts it has."""
    target = entry.target_id if entry.target_type == "user" else None
    who = actor.impersonator_id or actor.user_id
    apart: list[dict[str, Any]] = []
    if origin.ip or origin.user_agent:
        values: dict[str, Any] = {"ip": origin.ip, "user_agent": origin.user_agent}
        if actor.is_staff:
            values["staff"] = True
        apart.append(_part(Part.ORIGIN, who or entry.person_id or target or entry.team_id, values))
    if fields:
        apart.append(_part(Part.FIELDS, entry.person_id or target or who, fields))
    if texts:
        apart.append(_part(Part.TEXTS, entry.team_id or entry.person_id or target or who, texts))
    return apart


def _part(part: Part, person_id: UUID | None, values: Mapping[str, Any]) -> dict[str, Any]:
    return {"part": part, "person_id": person_id, "values": values}
