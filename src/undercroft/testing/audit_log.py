"""Reads the audit entries that a test recorded."""

from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import text

from undercroft.core.db import Database, Statement

_ENTRIES = Statement(
    text(
        "SELECT action, user_id, api_key_id, team_id, target_type, target_id, before, after, details "
        "FROM audit_entries WHERE request_id IS NOT NULL OR job_id IS NOT NULL ORDER BY occurred_at, id"
    )
)


class AuditedAction(Struct, frozen=True):
    """One entry of the audit log: who did what to which object, and the changed fields."""

    action: str
    user_id: UUID | None
    api_key_id: UUID | None
    team_id: UUID | None
    target_type: str | None
    target_id: UUID | None
    before: dict[str, Any]
    after: dict[str, Any]
    details: dict[str, Any]


class AuditLog:
    """The entries that the requests and jobs of the test recorded, oldest first.

        async def test_deletion_is_recorded(create_user: CreateUser, audit_log: AuditLog) -> None:
            owner = await create_user()
            created = await owner.client.post("/api/v1/app/projects", json={"name": "Website"})
            await owner.client.delete(created.headers["Location"])
            assert await audit_log.actions() == ["project.created", "project.deleted"]
            (entry,) = await audit_log.entries("project.deleted")
            assert (entry.user_id, str(entry.target_id)) == (owner.user_id, created.json()["id"])

    Personal values such as names are `[personal]` in `before` and `after`, because they are stored separately.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def entries(self, action: str = "") -> list[AuditedAction]:
        """Return all entries, or those of one action."""
        rows = await self._database.read.fetch(_ENTRIES)
        return [AuditedAction(**row) for row in rows if action in ("", row["action"])]

    async def actions(self) -> list[str]:
        """Return the actions of all entries."""
        return [each.action for each in await self.entries()]
