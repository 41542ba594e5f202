"""Monthly partitions: the default partition, and pruning by the owner, which is audited."""

import asyncio
from datetime import UTC, datetime, timedelta

import asyncpg
import pytest

from tests.modules.audit.entries import entries
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import load
from undercroft.jobs.registry import tasks
from undercroft.modules.audit.repository import PartitionRepository
from undercroft.modules.audit.service.partitions import prune
from undercroft.testing.jobs import CapturedJobs

ADD = """
    INSERT INTO audit_entries (occurred_at, id, action, actor_kind, before, after, details)
    VALUES ($1, gen_random_uuid(), 'thing.made', 'system', '{}', '{}', '{}')
"""
ADD_PERSONAL = "INSERT INTO audit_personal VALUES ($1, gen_random_uuid(), 'origin', NULL, '{}')"
OLD = datetime(2020, 3, 15, tzinfo=UTC)


@pytest.fixture
async def owner(database: Database, owner_url: str) -> asyncpg.Connection:
    """Connect as the owner, with a partition of 2020 that is dropped after the test."""
    connection = await asyncpg.connect(owner_url)
    for table in ("audit_entries", "audit_personal"):
        bounds = "FOR VALUES FROM (''2020-03-01Z'') TO (''2020-04-01Z'')"
        await connection.execute(f"SELECT audit_partition('{table}', '{table}_2020_03', '{bounds}')")
    yield connection
    for table in ("audit_entries", "audit_personal"):
        await connection.execute(f"DROP TABLE IF EXISTS {table}_2020_03")
    await connection.close()


@pytest.fixture
async def as_owner(owner_url: str) -> Database:
    database = Database(load(DatabaseSettings), owner_url)
    yield database
    await database.close()


async def tables(connection: asyncpg.Connection) -> set[str]:
    return {row[0] for row in await connection.fetch("SELECT relname FROM pg_class WHERE relname LIKE 'audit\\_%'")}


async def test_prune_drops_expired_months_with_personal_values_and_is_audited(
    database: Database, as_owner: Database, owner: asyncpg.Connection
) -> None:
    for statement in (ADD, ADD, ADD_PERSONAL):
        await owner.execute(statement, OLD)
    await owner.execute(ADD, datetime.now(UTC))
    shown = await prune(as_owner, keep_months=24, dry_run=True)
    assert [(month.label, month.count) for month in shown] == [("2020-03", 2)]
    assert len(await entries(database, action="thing.made")) == 3

    assert await prune(as_owner, keep_months=24) == shown
    assert len(await entries(database, action="thing.made")) == 1
    [pruned] = await entries(database, action="audit.pruned")
    assert pruned["before"] == {"months": ["2020-03"], "entries": 2}
    assert not {"audit_entries_2020_03", "audit_personal_2020_03"} & await tables(owner)
    assert await owner.fetchval("SELECT count(*) FROM audit_personal WHERE occurred_at < '2021-01-01'") == 0
    assert await prune(as_owner, keep_months=24) == []


async def test_concurrent_prunes_drop_each_month_once(
    database: Database, as_owner: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute(ADD, OLD)
    gone = await asyncio.gather(*(prune(as_owner, keep_months=24) for _ in range(4)))
    assert sorted(len(each) for each in gone) == [0, 0, 0, 1]
    assert len(await entries(database, action="audit.pruned")) == 1


async def test_prune_retains_the_oldest_month_within_the_retention(
    as_owner: Database, owner: asyncpg.Connection
) -> None:
    now = datetime.now(UTC)
    since = (now.year - 2020) * 12 + now.month - 3
    assert await prune(as_owner, keep_months=since) == []
    assert len(await prune(as_owner, keep_months=since - 1)) == 1


async def test_prune_drops_nothing_when_retention_is_unlimited(as_owner: Database, owner: asyncpg.Connection) -> None:
    assert await prune(as_owner, keep_months=0) == []
    assert "audit_entries_2020_03" in await tables(owner)


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all")
async def test_prune_requires_the_table_owner(database: Database, owner: asyncpg.Connection) -> None:
    with pytest.raises(ConfigurationError, match="MIGRATION_DATABASE_URL"):
        await prune(database, keep_months=24)
    assert "audit_entries_2020_03" in await tables(owner)


async def test_default_partition_takes_unmatched_rows_and_is_dropped_when_all_are_expired(
    database: Database, as_owner: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute(ADD, OLD - timedelta(days=300))
    await owner.execute(ADD_PERSONAL, OLD - timedelta(days=300))
    assert await owner.fetchval("SELECT count(*) FROM audit_entries_default") == 1
    pruned = await prune(as_owner, keep_months=24)
    assert {month.label for month in pruned} == {"2020-03", "unsorted"}
    assert await owner.fetchval("SELECT count(*) FROM audit_entries_default") == 0
    await owner.execute(ADD, OLD - timedelta(days=300))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await owner.execute("DELETE FROM audit_entries_default")


@pytest.mark.parametrize(("seconds", "labels"), [(0, set()), (-1, {"unsorted"})])
async def test_default_partition_is_retained_when_its_newest_row_is_within_the_retention(
    database: Database, as_owner: Database, owner: asyncpg.Connection, seconds: int, labels: set[str]
) -> None:
    now = datetime.now(UTC)
    first_kept = datetime(now.year - 2, now.month, 1, tzinfo=UTC)
    for moment in (first_kept - timedelta(days=1), first_kept + timedelta(seconds=seconds)):
        await owner.execute(ADD.replace("audit_entries", "audit_entries_default"), moment)
    assert {month.label for month in await prune(as_owner, keep_months=24)} - {"2020-03"} == labels
    assert await owner.fetchval("SELECT count(*) FROM audit_entries_default") == (0 if labels else 2)


async def test_month_with_rows_in_the_default_partition_gets_no_partition(
    database: Database, owner: asyncpg.Connection
) -> None:
    last = await owner.fetchval("SELECT max(relname) FROM pg_class WHERE relname ~ '^audit_entries_[0-9_]+$'")
    year, month = (int(part) for part in last.split("_")[-2:])
    personal = last.replace("entries", "personal")
    await owner.execute(f"DROP TABLE {last}; DROP TABLE {personal}")
    await owner.execute(ADD, datetime(year, month, 2, tzinfo=UTC))
    async with database.session() as session:
        assert await PartitionRepository(session).add() == 1
    assert last not in await tables(owner)
    await owner.execute(f"DROP TABLE {personal}; DROP TABLE audit_entries_default")
    await owner.execute("SELECT audit_partition('audit_entries', 'audit_entries_default', 'DEFAULT')")
    async with database.session() as session:
        assert await PartitionRepository(session).add() == 2


async def test_scheduled_job_creates_partitions(database: Database, jobs: CapturedJobs) -> None:
    from undercroft.jobs import enqueue

    task = tasks()["audit.add_partitions"]
    assert task.cron is not None
    async with database.session() as session:
        job = await enqueue(session, task)
    await jobs.run_all()
    assert (await jobs.get(job.id)).result == {"partitions": 0}


async def test_new_partitions_are_recorded(database: Database, jobs: CapturedJobs, owner: asyncpg.Connection) -> None:
    from undercroft.jobs import enqueue

    last = await owner.fetchval("SELECT max(relname) FROM pg_class WHERE relname ~ '^audit_entries_[0-9_]+$'")
    await owner.execute(f"DROP TABLE {last}")
    async with database.session() as session:
        await enqueue(session, tasks()["audit.add_partitions"])
    await jobs.run_all()
    added = [each["after"] for each in await entries(database) if each["action"] == "audit.partitions_added"]
    assert added == [{"partitions": 1}]
