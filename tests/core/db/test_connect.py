"""Connections that work behind a transaction pooler, and the detection of a pooler."""

import asyncio
from types import SimpleNamespace
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr
from sqlalchemy import bindparam, insert, select, text
from structlog.testing import capture_logs

from tests.core.tcp_proxy import TcpProxy
from tests.pgbouncer import run_pgbouncer
from undercroft.app.migrations import require_current, upgrade_all
from undercroft.core import settings
from undercroft.core.db import Database, DatabaseSettings, Statement
from undercroft.core.db import connect as connect_module
from undercroft.core.db.connect import detect_pooler, open_connection, wait_for_database
from undercroft.core.errors import ConfigurationError
from undercroft.core.ids import new_id
from undercroft.devstack.machine import free_port
from undercroft.jobs.models import Job

WORKER = Statement(text("SELECT pg_backend_pid() AS pid, CAST(:n AS int) AS n").bindparams(bindparam("n")))


async def _detect(url: str) -> str:
    settings.use(DatabaseSettings(database_url=SecretStr(url)))
    return (await detect_pooler()).database_pooler


@pytest.mark.usefixtures("test_settings")
async def test_pooler_is_detected_only_when_it_pools_transactions(database_url: str) -> None:
    assert await _detect(database_url) == "none"
    with run_pgbouncer(database_url) as url:
        assert await _detect(url) == "transaction"
        assert settings.load(DatabaseSettings).database_pooler == "transaction"
        assert not settings.load(DatabaseSettings).has_direct_connection
    with run_pgbouncer(database_url, mode="session") as url:
        assert await _detect(url) == "none"


@pytest.mark.usefixtures("test_settings")
async def test_pooler_setting_is_used_without_connecting() -> None:
    nowhere = SecretStr("postgresql://a@127.0.0.1:1/b")
    settings.use(DatabaseSettings(database_url=nowhere, database_pooler="none"))
    assert (await detect_pooler()).database_pooler == "none"
    settings.use(DatabaseSettings(database_url=nowhere))
    with pytest.raises(ConfigurationError, match="the connection was refused"):
        await detect_pooler()


async def test_every_kind_of_statement_works_behind_a_transaction_pooler(database_url: str, clean_tables: None) -> None:
    with run_pgbouncer(database_url) as url:
        decided = DatabaseSettings(database_url=SecretStr(url), database_pooler="transaction")
        database = Database(decided)
        try:
            await asyncio.gather(*(_use(database, number) for number in range(24)))
            async with database.read_session() as session:
                pids = {(await session.fetch(WORKER, n=0))[0]["pid"] for _ in range(12)}
        finally:
            await database.close()
    assert len(pids) > 1, "nothing was pooled"


async def _use(database: Database, number: int) -> None:
    """Compiled, Core and ORM statements, bulk inserts and a savepoint, inside and outside of a transaction."""
    async with database.read_session() as session:
        assert (await session.fetch(WORKER, n=number))[0]["n"] == number
        assert await session.scalar(select(text("1")).where(text("'x' LIKE '%x'"))) == 1
        assert await session.scalar(select(Job.id).where(Job.key == f"{number}")) is None
    rows = [_row(number) for _ in range(3)]
    async with database.session() as session:
        await session.execute(insert(Job), rows)
        async with (await session.orm()).begin_nested():
            ids = (await session.scalars(select(Job.id).where(Job.task == f"t{number}"))).all()
        assert sorted(ids) == sorted(row["id"] for row in rows)
        assert await (await session.raw()).fetchval("SELECT $1::int + 1", number) == number + 1


def _row(number: int) -> dict[str, object]:
    numbers = {"priority": 0, "attempts": 0, "max_attempts": 1, "lost": 0}
    return {"id": new_id(), "task": f"t{number}", "queue": "q", "status": "succeeded", "args": "{}", **numbers}


async def test_migrations_run_once_behind_a_transaction_pooler(empty_database_url: str) -> None:
    with run_pgbouncer(empty_database_url) as url:
        runs = await asyncio.gather(*(upgrade_all(url) for _ in range(5)))
        assert [revisions for revisions in runs if revisions] == [max(runs, key=len)]
        await require_current(url)


async def test_waiting_for_an_available_database_logs_nothing(database_url: str) -> None:
    with capture_logs() as logs:
        await wait_for_database(database_url, 60)

    assert logs == []


async def test_waiting_for_a_database_logs_its_absence_once_and_its_return(
    database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    with capture_logs() as logs:
        async with TcpProxy(database_url) as proxy:
            await proxy.close()

            async def pause(seconds: float) -> None:
                pauses.append(seconds)
                if len(pauses) == 3:
                    await proxy.open()

            monkeypatch.setattr(connect_module, "asyncio", SimpleNamespace(sleep=pause))
            await wait_for_database(proxy.url, 60)

    assert pauses == pytest.approx([0.1, 0.15, 0.225])
    first, last = (each["event"] for each in logs)
    assert first.endswith("Waiting for at most 60 s.")
    assert last == "The database is available now."


async def test_waiting_for_a_database_ends_at_the_timeout() -> None:
    with capture_logs() as logs, pytest.raises(ConfigurationError, match="the connection was refused"):
        await wait_for_database(f"postgresql://a@127.0.0.1:{free_port()}/b", 0)

    assert logs == []


async def test_waiting_for_a_database_ends_at_an_error_that_is_not_transient(database_url: str) -> None:
    unknown = urlsplit(database_url)._replace(path="/no_such_database").geturl()
    with capture_logs() as logs, pytest.raises(ConfigurationError, match="no_such_database"):
        await wait_for_database(unknown, 60)

    assert logs == []


CACHED = Statement(text("SELECT count(*) FROM pg_prepared_statements"))


@pytest.mark.parametrize(
    ("query", "cached"), [("ssl=disable", True), ("ssl=disable&prepared_statement_cache_size=0", False)]
)
async def test_options_of_an_sqlalchemy_url_take_effect(database_url: str, query: str, cached: bool) -> None:
    url = database_url.replace("postgresql://", "postgresql+asyncpg://")
    database = Database(DatabaseSettings(database_url=SecretStr(f"{url}?{query}")))
    try:
        async with database.read_session() as session:
            await session.scalar(select(text("1")))
            await session.fetch(WORKER, n=1)
            (row,) = await session.fetch(CACHED)
    finally:
        await database.close()
    assert (row["count"] > 0) is cached


async def test_number_of_cached_statements_is_limited_by_the_url(database_url: str) -> None:
    database = Database(DatabaseSettings(database_url=SecretStr(f"{database_url}?statement_cache_size=2")))
    try:
        async with database.read_session() as session:
            for number in range(20):
                await session.fetch(Statement(text(f"SELECT {number}")))
            (row,) = await session.fetch(CACHED)
    finally:
        await database.close()
    assert row["count"] < 10  # two, and those that the driver closes with its next statement


async def test_open_connection_to_an_unreachable_database_names_it_without_credentials() -> None:
    port = free_port()
    with pytest.raises(
        ConfigurationError, match=f"127.0.0.1:{port} cannot be used: the connection was refused"
    ) as error:
        async with open_connection(f"postgresql://ada:hunter2@127.0.0.1:{port}/b"):
            pass
    assert "hunter2" not in str(error.value)


@pytest.mark.usefixtures("test_settings")
async def test_detection_without_a_database_names_the_setting() -> None:
    settings.use(DatabaseSettings(database_url=SecretStr(""), postgres_host=""))
    with pytest.raises(ConfigurationError, match="DATABASE_URL is not set"):
        await detect_pooler()
