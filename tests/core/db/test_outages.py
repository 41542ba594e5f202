"""A server that becomes read-only, runs out of disk, hangs or ends connections: responses and readiness."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from sqlalchemy import text

from tests.core.db.proxy import Cut, Proxy, run_proxy
from tests.core.db.servers import address, fill_disk, make_database, run_server, run_standby, server_folder, small_disk
from undercroft.core.db import Database, Session, Statement
from undercroft.core.db.errors import DatabaseUnavailable, OutcomeUnknown
from undercroft.core.db.health import database_component
from undercroft.core.health import Health
from undercroft.devstack.postgres import PostgresServer

INSERT = Statement(text("INSERT INTO things (name) VALUES (repeat('x', 500))"))
COUNT = Statement(text("SELECT count(*) AS count FROM things"))

Write = Callable[[Session], Awaitable[object]]
WRITES: dict[str, Write] = {
    "alone": lambda session: session.write_one(INSERT),
    "raw": lambda session: session.fetch(INSERT),
    "orm": lambda session: session.execute(text("INSERT INTO things (name) VALUES ('x')")),
}
writes = pytest.mark.parametrize("write", WRITES.values(), ids=WRITES.keys())


@pytest.fixture(scope="module")
async def primary(test_settings: None) -> AsyncIterator[PostgresServer]:
    with server_folder() as folder:
        async with run_server(folder) as server:
            yield server


@pytest.fixture(scope="module")
async def standby(primary: PostgresServer) -> AsyncIterator[PostgresServer]:
    with server_folder() as folder:
        async with run_standby(primary, folder) as server:
            yield server


@pytest.fixture
async def proxy(primary: PostgresServer) -> AsyncIterator[Proxy]:
    async with run_proxy(primary.url) as proxy:
        yield proxy


@pytest.fixture
async def database(proxy: Proxy, primary: PostgresServer) -> AsyncIterator[Database]:
    database = make_database(proxy.url(primary.url))
    yield database
    await database.close()


async def commit(database: Database, write: Write) -> None:
    async with database.session() as session:
        await write(session)


async def count(database: Database) -> int:
    return int((await database.read.fetch(COUNT))[0]["count"])


async def is_up(database: Database) -> bool:
    health = Health()
    health.add(database_component(database))
    (reading,) = await health.check_all()
    return reading.up


async def test_write_reconnects_after_a_connection_led_to_a_standby(
    proxy: Proxy, database: Database, primary: PostgresServer, standby: PostgresServer
) -> None:
    proxy.server = address(standby)
    idle = [await database.write.acquire() for _ in range(4)] + [await database.read.acquire() for _ in range(4)]
    for each in idle:
        each.release()
    proxy.server = address(primary)
    with pytest.raises(DatabaseUnavailable):
        await commit(database, WRITES["alone"])
    for write in WRITES.values():
        await commit(database, write)
    assert not await database.read.fetch(Statement(text("SELECT 1 WHERE pg_is_in_recovery()")))
    assert (database.write.in_use, database.read.in_use) == (0, 0)


@writes
async def test_write_on_a_standby_is_unavailable(
    proxy: Proxy, database: Database, standby: PostgresServer, write: Write
) -> None:
    proxy.server = address(standby)
    for _ in range(3):
        with pytest.raises(DatabaseUnavailable):
            await commit(database, write)
    assert database.write.in_use == 0


async def test_failing_writes_on_a_standby_preserve_the_reading_connections(
    proxy: Proxy, database: Database, standby: PostgresServer
) -> None:
    proxy.server = address(standby)
    pids = set()
    for _ in range(20):
        with pytest.raises(DatabaseUnavailable):
            await commit(database, WRITES["alone"])
        pids.add((await database.read.fetch(Statement(text("SELECT pg_backend_pid()"))))[0][0])
    assert len(pids) < 10


async def test_readiness_fails_on_a_standby_and_recovers_on_the_primary(
    proxy: Proxy, database: Database, primary: PostgresServer, standby: PostgresServer
) -> None:
    proxy.server = address(standby)
    assert not await is_up(database)
    proxy.server = address(primary)
    assert await is_up(database)


async def test_readiness_fails_when_a_primary_is_read_only(database: Database, primary: PostgresServer) -> None:
    pooled = make_database(
        primary.url, database_pooler="transaction"
    )  # sends no settings that would override those of the role
    role = text("ALTER ROLE postgres SET default_transaction_read_only = on")
    async with database.session() as session:
        await session.execute(role)
    try:
        assert not await is_up(pooled)
    finally:
        async with database.session() as session:
            await session.execute(text("ALTER ROLE postgres RESET default_transaction_read_only"))
        await pooled.close()


async def test_readiness_fails_when_only_reads_fail(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(_statement: Statement) -> None:
        raise DatabaseUnavailable

    assert await is_up(database)
    monkeypatch.setattr(database.read, "fetch", refuse)
    assert not await is_up(database)


@pytest.mark.parametrize("form", ["{0}@{1}:{2},{1}:{3}/postgres?", "{0}@/postgres?host={1},{1}&port={2},{3}&"])
async def test_writes_use_the_writable_host_of_several(
    primary: PostgresServer, standby: PostgresServer, form: str
) -> None:
    where = form.format(f"postgres:{primary.password}", "127.0.0.1", standby.port, primary.port)
    database = make_database("", database_url=f"postgresql://{where}target_session_attrs=read-write")
    before = await count(database)
    await commit(database, WRITES["alone"])
    assert await count(database) == before + 1
    await database.close()


@writes
async def test_terminated_connections_are_replaced(database: Database, primary: PostgresServer, write: Write) -> None:
    for _ in range(3):
        connections = [await database.write.acquire() for _ in range(4)]
        for each in connections:
            each.release()
        await terminate(primary)
        await _write_when_closed_connections_are_known(database, write)
    assert database.write.in_use == 0


async def test_readiness_checks_of_a_hanging_database_use_one_connection_per_pool(
    proxy: Proxy, database: Database
) -> None:
    proxy.cut, proxy.marker = Cut.SILENCE, b"SELECT"
    health = Health(timeout=0.1)
    health.add(database_component(database))
    for _ in range(10):
        readings = await asyncio.gather(*(health.check_all() for _ in range(10)))
        assert not any(reading.up for (reading,) in readings)
    assert database.read.in_use + database.write.in_use <= 1
    assert proxy.connections <= 2
    proxy.cut = Cut.NEVER
    proxy.disconnect()
    async with asyncio.timeout(20):
        while not (await health.check_all())[0].up:
            await asyncio.sleep(0.05)


async def test_frequent_readiness_checks_write_once_per_second(database: Database) -> None:
    health = Health()
    health.add(database_component(database))
    before = await _transactions(database)
    for _ in range(50):
        assert (await health.check_all())[0].up
    assert await _transactions(database) - before < 25


@pytest.mark.skipif("os.name != 'posix' or os.geteuid() != 0", reason="mounting a small disk takes root")
async def test_full_disk_is_unavailable_and_fails_readiness_until_space_is_free() -> None:
    async with small_disk() as folder, run_server(folder) as server:
        database = make_database(server.url)
        try:
            await commit(database, WRITES["alone"])
            assert await is_up(database)
            filler = fill_disk(server.data)
            refused = 0
            for _ in range(40):
                for write in WRITES.values():
                    try:
                        await commit(database, write)
                    except DatabaseUnavailable:
                        refused += 1
            assert refused > 60
            assert not await is_up(database)
            assert (database.write.in_use, database.read.in_use) == (0, 0)
            filler.unlink()
            for write in WRITES.values():
                await commit(database, write)
            assert await is_up(database)
        finally:
            await database.close()


async def terminate(server: PostgresServer) -> None:
    """Terminate all connections to the server except the current one."""
    import asyncpg

    connection = await asyncpg.connect(server.url)
    await connection.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND usename = 'postgres'"
    )
    await connection.close()


async def _write_when_closed_connections_are_known(database: Database, write: Write) -> None:
    """Retry a write once: when its connection has just ended, the first outcome is unknown; the next must succeed."""
    try:
        await commit(database, write)
    except OutcomeUnknown:
        await commit(database, write)


async def _transactions(database: Database) -> int:
    async with database.session() as session:
        return int(await session.scalar(text("SELECT pg_current_xact_id()::text::bigint")))


async def test_database_is_required_for_readiness(database: Database) -> None:
    assert database_component(database).required
