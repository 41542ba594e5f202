import asyncio
import importlib
from datetime import timedelta
from uuid import uuid4

from tests.jobs import sample_tasks
from undercroft.core.db import Database
from undercroft.jobs import enqueue
from undercroft.jobs.engines.postgres import PostgresEngine, library_names

migration = importlib.import_module("undercroft.migrations.versions.0002_jobs")


def words(sql: str) -> str:
    lines = (line for line in sql.splitlines() if not line.lstrip().startswith("--"))
    return "".join("\n".join(lines).split())


def test_migration_matches_the_schema_of_the_installed_library() -> None:
    from pgqueuer.adapters.persistence import qb

    builder = qb.QueryBuilderEnvironment(library_names())
    expected = builder.build_install_query() + builder.build_optimize_autovacuum_query()
    assert words("\n".join(migration.PGQUEUER)) == words(expected)


def test_library_environment_variables_have_no_effect(monkeypatch) -> None:  # type: ignore[no-untyped-def]
    for name in ("CHANNEL", "QUEUE_TABLE", "PGQUEUER_PREFIX", "PGQUEUER_SCHEMA", "DURABILITY"):
        monkeypatch.setenv(name, "volatile")
    names = library_names()
    assert names.channel == "ch_pgqueuer"
    assert names.qualified.queue_table == "pgqueuer"


async def test_concurrent_workers_never_claim_the_same_message(database: Database) -> None:
    async with database.session() as session:
        for n in range(40):
            await enqueue(session, sample_tasks.note, what=str(n))
    engine = PostgresEngine()

    async def claimed() -> list[int]:
        async with database.session() as session:
            messages = await engine.claim(
                await session.raw(),
                limit=10,
                tasks=[sample_tasks.note.name],
                worker_id=uuid4(),
                stale_after=timedelta(seconds=30),
            )
            await asyncio.sleep(0.01)
        return [message.id for message in messages]

    batches = await asyncio.gather(*(claimed() for _ in range(4)))
    ids = [message_id for batch in batches for message_id in batch]
    assert len(ids) == len(set(ids))


async def test_claim_ignores_messages_of_unknown_tasks(database: Database) -> None:
    async with database.session() as session:
        await enqueue(session, sample_tasks.note, what="tea")
        messages = await PostgresEngine().claim(
            await session.raw(), limit=10, tasks=["other.task"], worker_id=uuid4(), stale_after=timedelta(seconds=30)
        )
    assert messages == []
