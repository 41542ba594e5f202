"""`undercroft audit prune`."""

import asyncio
from typing import Any

import asyncpg
import pytest
from typer.testing import CliRunner

from tests.modules.audit.entries import entries
from undercroft.cli._database import with_database
from undercroft.core import settings
from undercroft.core.commands import DatabaseRunner
from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.modules.audit.commands import app
from undercroft.modules.audit.settings import AuditSettings


@pytest.fixture(autouse=True)
def database_runner() -> None:
    current_context().add(DatabaseRunner, with_database)


async def prune(*options: Any) -> str:
    """Run the command in a thread, require exit code 0 and return its output."""
    result = await asyncio.to_thread(CliRunner().invoke, app, ["prune", *options])
    assert result.exit_code == 0, result.output
    return result.output


async def test_prune_lists_old_months_and_drops_them(database: Database, owner_url: str) -> None:
    owner = await asyncpg.connect(owner_url)
    for table in ("audit_entries", "audit_personal"):
        bounds = "FOR VALUES FROM (''2019-03-01Z'') TO (''2019-04-01Z'')"
        await owner.execute(f"SELECT audit_partition('{table}', '{table}_2019_03', '{bounds}')")
    try:
        shown = await prune("--dry-run")
        assert "2019-03" in shown
        assert "would be dropped" in shown
        assert await entries(database) == []
        assert "Dropped" in await prune()
        (entry,) = await entries(database)
        assert (entry["action"], entry["actor_kind"]) == ("audit.pruned", "command")
        assert "No entries are older" in await prune()
    finally:
        await owner.execute("DROP TABLE IF EXISTS audit_entries_2019_03, audit_personal_2019_03")
        await owner.close()


async def test_prune_drops_nothing_when_retention_is_unlimited(database: Database) -> None:
    settings.use(AuditSettings(audit_retention_months=0))
    assert "AUDIT_RETENTION_MONTHS is 0: nothing to drop." in await prune()
