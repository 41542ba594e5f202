"""The fixtures of the pytest plugin."""

import asyncio
import os
from pathlib import Path

import asyncpg
import pytest

from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.periodic import Periodic
from undercroft.core.settings import CoreSettings, Environment, load
from undercroft.testing.plugin import pytest_collection_modifyitems
from undercroft.testing.servers import Servers
from undercroft.testing.statements import StatementRecorder

MAKE = "CREATE TABLE IF NOT EXISTS plugin_things (id int PRIMARY KEY)"


@pytest.fixture(scope="module")
async def things(owner_url: str):
    owner = await asyncpg.connect(owner_url)
    await owner.execute(MAKE)
    yield
    await owner.execute("DROP TABLE plugin_things")
    await owner.close()


def test_settings_of_the_project_apply_unless_the_environment_overrides_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[tool.undercroft]\nenabled_extensions = ["spa", "hotel"]\napp_name = "Shop"\n'
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APP_NAME", "")  # also restores it
    monkeypatch.delenv("APP_NAME")
    monkeypatch.setenv("ENABLED_EXTENSIONS", "spa")
    pytest_collection_modifyitems([])
    assert os.environ["ENABLED_EXTENSIONS"] == "spa"
    monkeypatch.delenv("ENABLED_EXTENSIONS")
    pytest_collection_modifyitems([])
    assert (os.environ["ENABLED_EXTENSIONS"], os.environ["APP_NAME"]) == ("hotel,spa", "Shop")


async def test_environment_setting_is_test(test_settings: None):
    assert load(CoreSettings).environment is Environment.TEST
    assert list(load(CoreSettings).production_errors())


async def test_application_runs_no_periodic_tasks(app: Api):
    running = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
    assert not [name for name in running if name.startswith(Periodic.__name__)]


@pytest.mark.parametrize("turn", [1, 2])
async def test_mailbox_is_empty_at_the_start_of_a_test(turn: int, database: Database, mailbox_folder: Path):
    assert list(mailbox_folder.iterdir()) == []
    (mailbox_folder / f"{turn}.eml").touch()


async def test_application_role_writes_rows_in_tables_of_the_owner(database: Database, things: None):
    async with database.session() as session:
        await (await session.raw()).execute("INSERT INTO plugin_things VALUES (1)")
    async with database.session() as session:
        assert await (await session.raw()).fetchval("SELECT count(*) FROM plugin_things") == 1
        await (await session.raw()).execute("DELETE FROM plugin_things")


@pytest.mark.parametrize("url", ["database_url", "admin_url"])
async def test_application_and_admin_roles_cannot_create_or_alter_tables(
    url: str, servers: Servers, things: None, request: pytest.FixtureRequest
):
    if servers.has_one_role:
        pytest.skip("TEST_DATABASE_URL has one role, which owns the tables")
    connection = await asyncpg.connect(request.getfixturevalue(url))
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("CREATE TABLE sneaked_in (id int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute("ALTER TABLE plugin_things ADD COLUMN extra int")
        assert not await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
    finally:
        await connection.close()


async def test_postgres_refuses_a_wrong_password(servers):
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(servers.manager_url, password="guessed")


async def test_statement_count_excludes_transaction_commands(database: Database, statements: StatementRecorder):
    async with database.session() as session:
        connection = await session.raw()
        await connection.fetchval("SELECT 1")
        await connection.fetchval("SELECT $1::int", 2)

    assert statements.count == 2, str(statements)
    assert any(sql.startswith("BEGIN") for sql in statements.all)


async def test_valkey_requires_its_password(redis_url: str, servers):
    from redis.asyncio import Redis
    from redis.exceptions import AuthenticationError

    async with Redis.from_url(redis_url) as client:
        assert await client.set("a", 1)
    async with Redis.from_url(redis_url.replace(redis_url.split("@")[0], "redis://:guessed")) as client:
        with pytest.raises(AuthenticationError):
            await client.ping()


@pytest.mark.parametrize("time", ["first", "second"])
async def test_rows_written_without_the_database_fixture_are_deleted(time: str, owner_url: str):
    connection = await asyncpg.connect(owner_url)
    try:
        assert await connection.fetchval("SELECT count(*) FROM auth_throttles") == 0, time
        await connection.execute("INSERT INTO auth_throttles (key, failures, counted_at) VALUES ('left', 1, now())")
    finally:
        await connection.close()
