"""SQL of agents: it reads, but neither secrets nor anything else than tables, and it cannot write, by any trick."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

import asyncpg
import pytest
import pytest_asyncio

from undercroft.app.mcp.queries import HIDDEN, Columns, QueryRefused, run_query
from undercroft.core.db.privacy import is_secret
from undercroft.core.model_classes import model_classes
from undercroft.devstack import reader
from undercroft.testing import CreateUser
from undercroft.testing.servers import Servers

SECRET = "argon2-of-a-password"
PASSWORD = "only-for-this-test"

Query = Callable[..., Awaitable[dict[str, Any]]]


def table_columns() -> dict[str, Columns]:
    found = {}
    for model in model_classes():
        columns = list(model.__table__.columns)
        secret = [column.name for column in columns if is_secret(model, column)]
        found[str(model.__tablename__)] = Columns(
            tuple(column.name for column in columns if column.name not in secret), tuple(secret)
        )
    return found


@pytest_asyncio.fixture(loop_scope="session")
async def query(servers: Servers, database_name: str, owner_url: str, create_user: CreateUser) -> AsyncIterator[Query]:
    """Runs a query as the reader. There is a user with a password."""
    if servers.has_one_role:
        pytest.skip("TEST_DATABASE_URL has no superuser, which creates the role.")
    columns = table_columns()
    manager = await asyncpg.connect(servers.with_database(servers.manager_url, database_name))
    readable = {name: each.readable for name, each in columns.items()}
    await reader.grant(manager, readable, PASSWORD, database_name)
    person = await create_user(email="ada@example.com")
    await manager.execute("UPDATE users SET password_hash = $1 WHERE id = $2", SECRET, person.user_id)
    address = urlsplit(owner_url)
    url = f"postgresql://{reader.NAME}:{PASSWORD}@{address.hostname}:{address.port}/{database_name}"

    async def run(text: str, limit: int = 100) -> dict[str, Any]:
        return await run_query(url, text, columns, limit)

    yield run
    await manager.execute(f"DROP OWNED BY {reader.NAME}")
    await manager.close()


async def test_rows_are_read_with_secrets_hidden(query: Query) -> None:
    found = await query("SELECT * FROM users")
    row = dict(zip(found["columns"], found["rows"][0], strict=True))
    assert (row["email"], row["password_hash"], found["more"]) == ("ada@example.com", HIDDEN, False)
    keys = await query("TABLE auth_signing_keys")
    assert keys["rows"][0][keys["columns"].index("private_sealed")] == HIDDEN
    assert (await query("select count(*) from users -- how many"))["rows"] == [[1]]
    assert (await query("/* a */ (VALUES (1), (2))"))["rows"] == [[1], [2]]
    assert (await query("EXPLAIN SELECT * FROM users"))["rows"]
    assert (await query("SHOW transaction_read_only"))["rows"] == [["on"]]


async def test_rows_are_limited_and_long_texts_shortened(query: Query) -> None:
    found = await query("SELECT generate_series(1, 1000000000)", limit=3)
    assert (found["rows"], found["more"]) == ([[1], [2], [3]], True)
    (row,) = (await query("SELECT repeat('x', 100000), NULL, 1.5::float"))["rows"]
    assert row[0].endswith("… (100000 characters)")
    assert row[1:] == [None, 1.5]


@pytest.mark.parametrize(
    "text",
    [
        "SELECT password_hash FROM public.users",
        "SELECT * FROM public.users",
        "SELECT u::text FROM public.users AS u",
        "SELECT to_jsonb(u) FROM public.users AS u",
        "SELECT users::text FROM users",
        "SELECT encode(token_hash, 'hex') FROM public.auth_refresh_tokens",
        "SELECT query_to_xml('SELECT password_hash FROM public.users', true, false, '')",
        "SELECT set_config('role', 'undercroft_owner', true), query_to_xml('TABLE public.users', true, false, '')",
        "SELECT set_config('session_authorization', 'postgres', true), query_to_xml('TABLE users', 't', 'f', '')",
        "SELECT set_config('search_path', 'public', true), query_to_xml('TABLE users', true, false, '')",
        "SELECT most_common_vals::text FROM pg_stats WHERE tablename = 'users'",
        "SELECT rolpassword FROM pg_authid",
        "SELECT table_to_xml('public.users', true, false, '')",
        "SELECT schema_to_xml('public', true, false, '')",
    ],
)
async def test_secrets_cannot_be_reached(query: Query, text: str) -> None:
    try:
        found = str(await query(text))
    except QueryRefused as error:
        found = str(error)
    assert SECRET not in found
    assert "SCRAM" not in found


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM users",
        "WITH gone AS (DELETE FROM users RETURNING id) SELECT * FROM gone",
        "WITH gone AS (DELETE FROM public.users RETURNING id) SELECT * FROM gone",
        "SELECT 1; DELETE FROM public.users",
        "SELECT 1; COMMIT; DELETE FROM public.users",
        "SET TRANSACTION READ WRITE",
        "SELECT set_config('transaction_read_only', 'off', false)",
        "COMMIT",
        "EXPLAIN ANALYZE DELETE FROM public.users",
        "SELECT * INTO copied FROM users",
        "CREATE TABLE copied AS SELECT 1",
        "DO $$ BEGIN DELETE FROM public.users; END $$",
        "CALL anything()",
        "COPY (SELECT 1) TO PROGRAM 'touch /tmp/undercroft-mcp'",
        "SELECT pg_read_file('/etc/hostname')",
        "SELECT pg_ls_dir('/')",
        "SELECT lo_import('/etc/hostname')",
        "SELECT lo_from_bytea(0, 'x')",
        "SELECT * FROM dblink('host=127.0.0.1', 'DELETE FROM users') AS t(a int)",
        "SELECT query_to_xml('DELETE FROM public.users', true, false, '')",
        "SELECT setval('pgqueuer_id_seq', 1)",
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename <> current_user",
        "SELECT pg_reload_conf()",
        "SELECT audit_erase(id) FROM users",
        "SELECT * FROM pgqueuer",
        "SELECT nothing FROM users",
        "",
        "-- nothing",
        "/* not closed",
    ],
)
async def test_query_that_does_more_than_reading_is_refused(query: Query, owner_url: str, text: str) -> None:
    with pytest.raises(QueryRefused):
        await query(text)
    owner = await asyncpg.connect(owner_url)
    try:
        assert await owner.fetchval("SELECT count(*) FROM users") == 1
        assert await owner.fetchval("SELECT to_regclass('copied')") is None
        assert await owner.fetchval("SELECT count(*) FROM pg_largeobject_metadata") == 0
    finally:
        await owner.close()


async def test_refusal_names_the_secret_columns(query: Query) -> None:
    with pytest.raises(QueryRefused, match="users: password_hash"):
        await query("SELECT * FROM public.users")
    with pytest.raises(QueryRefused, match="This tool only reads"):
        await query("UPDATE users SET email = ''")


async def test_slow_query_is_canceled(query: Query, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undercroft.app.mcp.queries.TIMEOUT", 0.3)
    with pytest.raises(QueryRefused, match=r"timeout|took longer"):
        await query("SELECT pg_sleep(60)")
    with pytest.raises(QueryRefused, match=r"timeout|took longer"):
        await query("SELECT set_config('statement_timeout', '0', false), pg_sleep(60)")


async def test_open_query_blocks_no_migration(query: Query, owner_url: str) -> None:
    await query("SELECT * FROM users")
    owner = await asyncpg.connect(owner_url)
    try:
        async with asyncio.timeout(20):
            await owner.execute("BEGIN; ALTER TABLE users DROP COLUMN password_hash; ROLLBACK")
    finally:
        await owner.close()


async def test_removed_column_is_no_longer_expected(query: Query) -> None:
    with pytest.raises(QueryRefused, match="does not exist"):
        await query("SELECT nickname FROM users")
