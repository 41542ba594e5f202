"""Audit entries of an earlier release after the upgrade."""

import json
from uuid import NAMESPACE_URL, UUID, uuid5

import asyncpg
import pytest

from undercroft.app.migrations import histories, upgrade_all
from undercroft.core.audit import person_id_for_email
from undercroft.core.db import migrations
from undercroft.core.ids import new_id

ADDRESS = "ada@example.com"
USER = """
INSERT INTO users (id, email, full_name, locale, timezone, notifications, role, is_active, created_at, updated_at)
VALUES ($1, $2, 'Ada', 'en', 'UTC', '{}', 'user', true, now(), now())
"""
ENTRY = """
INSERT INTO audit_entries (occurred_at, id, action, actor_kind, user_id, target_type, target_id, team_id,
    before, after, details)
VALUES (now(), $1, $2, 'user', $3, $4, $5, $6, $7, $8, '{}')
"""


async def test_upgrade_moves_texts_of_existing_entries_to_the_erasable_table(migrated_database_url: str) -> None:
    await upgrade_all(migrated_database_url)
    known = {history.name: history for history in histories()}
    await migrations.downgrade(migrated_database_url, known["audit"], "0003_audit_own_names")
    user_id, team_id, passkey, project, invitation = (new_id() for _ in range(5))
    connection = await asyncpg.connect(migrated_database_url)
    try:
        await connection.execute(USER, user_id, ADDRESS)
        names = {"name": "Ada's key", "seen": "2026-11-29T07:00:00Z"}
        await connection.execute(
            ENTRY, passkey, "passkey.renamed", user_id, "passkey", new_id(), None, "{}", dump_fields(names)
        )
        created = {"name": "ada", "status": "active", "tags": ["fine", "Ada's"], "nothing": None}
        await connection.execute(
            ENTRY, project, "project.made", user_id, "project", new_id(), team_id, "{}", dump_fields(created)
        )
        invited = {"email": "[personal]", "role": "member"}
        entry = (invitation, "invitation.created", user_id, "invitation", new_id(), team_id, "{}", dump_fields(invited))
        await connection.execute(ENTRY, *entry)
        values = dump_fields({"after": {"email": ADDRESS}})
        await connection.execute(
            "INSERT INTO audit_personal SELECT occurred_at, id, 'fields', $2, $3 FROM audit_entries WHERE id = $1",
            invitation,
            uuid5(NAMESPACE_URL, f"mailto:{ADDRESS}"),
            values,
        )
        await upgrade_all(migrated_database_url)
        assert await fetch_after(connection, passkey) == {"name": "[personal]", "seen": "2026-11-29T07:00:00Z"}
        assert await fetch_after(connection, project) == {
            "name": "[personal]",
            "status": "active",
            "tags": "[personal]",
            "nothing": None,
        }
        assert await fetch_after(connection, invitation) == invited
        assert await fetch_personal_rows(connection, passkey) == [("texts", user_id, {"after": {"name": "Ada's key"}})]
        texts = {"name": "ada", "tags": ["fine", "Ada's"]}
        assert await fetch_personal_rows(connection, project) == [("texts", team_id, {"after": texts})]
        assert await fetch_personal_rows(connection, invitation) == [
            ("fields", person_id_for_email(ADDRESS), {"after": {"email": ADDRESS}})
        ]
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("UPDATE audit_entries SET action = 'x.y'")
        await connection.execute("UPDATE users SET deleted_at = now() WHERE id = $1", user_id)
        assert await connection.fetchval("SELECT audit_erase($1)", user_id) == 2
        assert len(await fetch_personal_rows(connection, project)) == 1
    finally:
        await connection.close()


def dump_fields(fields: dict[str, object]) -> str:
    return json.dumps(fields)


async def fetch_after(connection: asyncpg.Connection, entry_id: UUID) -> dict[str, object]:
    found: dict[str, object] = json.loads(
        await connection.fetchval("SELECT after FROM audit_entries WHERE id = $1", entry_id)
    )
    return found


async def fetch_personal_rows(
    connection: asyncpg.Connection, entry_id: UUID
) -> list[tuple[str, UUID, dict[str, object]]]:
    rows = await connection.fetch("SELECT part, person_id, values FROM audit_personal WHERE entry_id = $1", entry_id)
    return [(part, person_id, json.loads(values)) for part, person_id, values in rows]
