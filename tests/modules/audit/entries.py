"""Read the tables of the audit log."""

import json
from collections.abc import Mapping
from typing import Any

from sqlalchemy import text

from undercroft.core.db import Database, Statement

SELECT_ENTRIES = Statement(text("SELECT * FROM audit_entries ORDER BY occurred_at, id"))
SELECT_PERSONAL = Statement(text("SELECT * FROM audit_personal WHERE entry_id = CAST(:id AS uuid) ORDER BY part DESC"))


async def entries(database: Database, *, action: str | None = None) -> list[dict[str, Any]]:
    """Return all entries, oldest first."""
    found = [_decode(row) for row in await database.read.fetch(SELECT_ENTRIES)]
    return [entry for entry in found if action in (None, entry["action"])]


async def changes_with_texts(database: Database, entry: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `before` and `after` of an entry, including the separately stored texts."""
    texts: dict[str, Any] = {}
    for part in await personal_rows(database, entry):
        texts |= part["values"] if part["part"] == "texts" else {}
    return {**entry["before"], **texts.get("before", {})}, {**entry["after"], **texts.get("after", {})}


async def personal_rows(database: Database, entry: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the personal values of an entry: the origin, then the fields."""
    return [_decode(row) for row in await database.read.fetch(SELECT_PERSONAL, id=entry["id"])]


def _decode(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: json.loads(value) if _is_json(name, value) else value for name, value in row.items()}


def _is_json(name: str, value: Any) -> bool:
    return name in ("before", "after", "details", "values") and isinstance(value, str)
