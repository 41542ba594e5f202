"""Every migration can be reverted without leftovers."""

import pytest
from sqlalchemy import text

from tests.core.db.catalog import catalog
from tests.enabled import DISABLED
from undercroft.app.discovery import find_modules
from undercroft.app.migrations import histories, upgrade_all
from undercroft.core.db import migrations
from undercroft.core.db.migrations import open_migration_connection, recorder, release

NAMES = ["core", *(module.name for module in find_modules(DISABLED) if (module.folder / "migrations").is_dir())]


async def test_downgrade_of_every_history_leaves_an_empty_database(empty_database_url: str) -> None:
    empty = await catalog(empty_database_url)
    await upgrade_all(empty_database_url)
    full = await catalog(empty_database_url)
    for history in reversed(histories()):
        assert history.tables <= await migrations.tables(empty_database_url)
        await migrations.downgrade(empty_database_url, history, "base")
        assert not history.tables & await migrations.tables(empty_database_url)
    book = {recorder.TABLE.name, release.TABLE_NAME, *(history.version_table for history in histories())}
    left = [line for line in await catalog(empty_database_url) if not any(name in line for name in book)]
    assert left == empty
    async with open_migration_connection(empty_database_url) as connection:
        assert await connection.scalar(text(f"SELECT count(*) FROM {recorder.TABLE.name}")) == 0

    await upgrade_all(empty_database_url)

    assert await catalog(empty_database_url) == full


@pytest.mark.parametrize("name", NAMES)
async def test_upgrade_after_each_downgrade_creates_the_same_schema(empty_database_url: str, name: str) -> None:
    await upgrade_all(empty_database_url)
    above = histories()[NAMES.index(name) + 1 :]
    for history in reversed(above):
        await migrations.downgrade(empty_database_url, history, "base")
    (history,) = [history for history in histories() if history.name == name]
    whole = await _without_policies(empty_database_url)
    (status,) = await migrations.get_statuses(empty_database_url, [history])
    for steps in range(1, int(str(status.head)[:4]) + 1):
        await migrations.downgrade(empty_database_url, history, f"-{steps}")
        assert await _without_policies(empty_database_url) != whole
        assert len(await migrations.upgrade(empty_database_url, [history])) == steps
        assert await _without_policies(empty_database_url) == whole


async def _without_policies(url: str) -> list[str]:
    """The catalog of one history; `upgrade_all` recreates policies for all histories together."""
    return [line for line in await catalog(url) if not line.startswith("policy ")]
