"""Audit entries of commands, and `undercroft audit prune`."""

import asyncio
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from tests.modules.audit.entries import entries, personal_rows
from undercroft.cli import audit, keys, user
from undercroft.core import settings
from undercroft.core.db import Database
from undercroft.modules.audit.settings import AuditSettings
from undercroft.modules.auth.signing_keys import SigningKeys

PASSWORD = "three otters in a boat"


async def run(*words: Any, **how: Any) -> str:
    """Run a command in a thread, require exit code 0 and return its output."""
    result = await asyncio.to_thread(CliRunner().invoke, *words, **how)
    assert result.exit_code == 0, result.output
    return result.output


async def test_every_command_that_changes_data_writes_one_audit_entry(database: Database) -> None:
    await SigningKeys(database).ensure()
    for app, words, typed in (
        (user.app, ["create-admin", "root@example.com", "--password-stdin"], PASSWORD),
        (user.app, ["create-admin", "root@example.com"], ""),
        (user.app, ["set-password", "root@example.com", "--password-stdin"], "another good sentence"),
        (keys.app, ["rotate", "--early"], ""),
        (keys.app, ["list"], ""),
    ):
        await run(app, words, input=f"{typed}\n")
    left = [entry for entry in await entries(database) if entry["actor_kind"] == "command"]
    assert [entry["action"] for entry in left] == ["user.registered", "user.password_changed", "signing_keys.rotated"]
    assert {entry["user_id"] for entry in left} == {None}
    assert all(entry["after"] for entry in left)
    (about_root,) = await personal_rows(database, left[0])
    assert about_root["person_id"] == left[0]["target_id"]
    assert about_root["values"]["after"]["email"] == "root@example.com"


async def test_audit_prune_lists_old_months_and_drops_them(database: Database, owner_url: str) -> None:
    owner = await asyncpg.connect(owner_url)
    for table in ("audit_entries", "audit_personal"):
        bounds = "FOR VALUES FROM (''2019-03-01Z'') TO (''2019-04-01Z'')"
        await owner.execute(f"SELECT audit_partition('{table}', '{table}_2019_03', '{bounds}')")
    try:
        shown = await run(audit.app, ["prune", "--dry-run"])
        assert "2019-03" in shown
        assert "would be dropped" in shown
        assert await entries(database) == []
        assert "Dropped" in await run(audit.app, ["prune"])
        (entry,) = await entries(database)
        assert (entry["action"], entry["actor_kind"]) == ("audit.pruned", "command")
        assert "No entries are older" in await run(audit.app, ["prune"])
    finally:
        await owner.execute("DROP TABLE IF EXISTS audit_entries_2019_03, audit_personal_2019_03")
        await owner.close()


@pytest.fixture
def unlimited_retention() -> Any:
    settings.use(AuditSettings(audit_keep_months=0))
    yield
    settings.use(AuditSettings())


async def test_audit_prune_drops_nothing_when_retention_is_unlimited(
    database: Database, unlimited_retention: None
) -> None:
    assert "nothing to drop" in await run(audit.app, ["prune"])
