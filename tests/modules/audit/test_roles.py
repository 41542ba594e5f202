"""No role can alter entries with SQL: neither the application's role, the admin's, nor the owner's."""

import json

import asyncpg
import pytest

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database
from undercroft.devstack.roles import Roles, schema_statements
from undercroft.modules.audit.repository import PartitionRepository
from undercroft.testing.servers import Servers

ENTRIES = ("audit_entries", "this_month", "audit_entries_default")
THIS_MONTH = "SELECT 'audit_entries_' || to_char(now() AT TIME ZONE 'UTC', 'YYYY_MM')"
ATTEMPTS = (
    "UPDATE {table} SET action = 'nothing.happened'",
    "UPDATE {table} SET occurred_at = occurred_at - interval '1 year'",
    "DELETE FROM {table}",
    "DELETE FROM {table} WHERE false",
    "TRUNCATE {table}",
    "INSERT INTO {table} SELECT * FROM audit_entries ON CONFLICT (occurred_at, id) DO UPDATE SET action = 'x.y'",
    "MERGE INTO {table} t USING (SELECT 1) s ON true WHEN MATCHED THEN DELETE",
    "SELECT * FROM {table} FOR UPDATE",
    "ALTER TABLE {table} DISABLE TRIGGER ALL",
    "ALTER TABLE {table} DISABLE TRIGGER append_only",
    "ALTER TABLE {table} DROP COLUMN action",
    "ALTER TABLE {table} OWNER TO CURRENT_USER",
    "CREATE RULE silent AS ON INSERT TO {table} DO INSTEAD NOTHING",
    "CREATE TRIGGER silent BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION audit_refuse()",
    "DROP TRIGGER append_only ON {table}",
    "DROP TABLE {table}",
    "DROP TABLE {table} CASCADE",
    "CREATE TABLE child () INHERITS ({table})",
    "ALTER TABLE audit_entries DETACH PARTITION {table}",
)
ELSEWHERE = (
    "DROP FUNCTION audit_refuse() CASCADE",
    "CREATE OR REPLACE FUNCTION audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RETURN NEW; END $$",
    "SET session_replication_role = replica",
    "UPDATE audit_personal SET values = '{}'",
    "DELETE FROM audit_personal",
    "TRUNCATE audit_personal",
    "SELECT audit_partition('audit_entries', 'mine', 'DEFAULT')",
)
OWNERS = (
    "UPDATE {table} SET action = 'nothing.happened'",
    "DELETE FROM {table}",
    "TRUNCATE {table}",
    "INSERT INTO {table} SELECT * FROM audit_entries ON CONFLICT (occurred_at, id) DO UPDATE SET action = 'x.y'",
)

TYPES = ("text", "regclass", "timestamptz", "uuid")
INTRUDER = """
CREATE FUNCTION pg_temp.intrude(value pg_catalog.{kind}) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF current_user <> session_user THEN RAISE EXCEPTION 'this ran as %', current_user; END IF;
    RETURN true;
END $$;
CREATE DOMAIN pg_temp.{kind} AS pg_catalog.{kind} CHECK (pg_temp.intrude(VALUE))
"""
ERASED = "00000000-0000-7000-8000-00000000dead"
GONE = json.dumps(
    {
        "id": ERASED,
        "email": "gone@deleted.invalid",
        "full_name": "",
        "locale": "en",
        "timezone": "UTC",
        "notifications": {},
        "role": "user",
        "is_active": False,
        "second_factors": [],
        "created_at": "2026-01-01T00:00:00Z",
        "updated_at": "2026-01-01T00:00:00Z",
        "deleted_at": "2026-01-01T00:00:00Z",
    }
)
OWNER_FUNCTIONS = ("SELECT audit_add_partitions(24)", f"SELECT audit_erase('{ERASED}')")


@pytest.fixture(autouse=True)
async def one_entry(database: Database) -> None:
    async with database.session() as session:
        await record(session, Entry("thing.made", details={"email": "ada@example.com"}))


def database_url_of(role: str, request: pytest.FixtureRequest) -> str:
    url: str = request.getfixturevalue({"app": "database_url", "admin": "admin_url", "owner": "owner_url"}[role])
    return url


async def assert_denied(url: str, statement: str, table: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        if table == "this_month":
            table = await connection.fetchval(THIS_MONTH)
        transaction = connection.transaction()
        await transaction.start()
        with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.WrongObjectTypeError)):
            await connection.execute(statement.format(table=table))
        await transaction.rollback()
    finally:
        await connection.close()


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all: only the trigger refuses")
@pytest.mark.parametrize("table", ENTRIES)
@pytest.mark.parametrize("statement", ATTEMPTS)
@pytest.mark.parametrize("role", ["app", "admin"])
async def test_application_and_admin_roles_cannot_alter_entries(
    request: pytest.FixtureRequest, role: str, statement: str, table: str
) -> None:
    await assert_denied(database_url_of(role, request), statement, table)


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all: only the trigger refuses")
@pytest.mark.parametrize("statement", ELSEWHERE)
@pytest.mark.parametrize("role", ["app", "admin"])
async def test_application_and_admin_roles_cannot_bypass_the_protection(
    request: pytest.FixtureRequest, role: str, statement: str
) -> None:
    connection = await asyncpg.connect(database_url_of(role, request))
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute(statement)
    await connection.close()


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all")
@pytest.mark.parametrize("role", ["app", "admin"])
async def test_application_and_admin_roles_cannot_grant_privileges(request: pytest.FixtureRequest, role: str) -> None:
    connection = await asyncpg.connect(database_url_of(role, request))
    await connection.execute("GRANT ALL ON audit_entries TO PUBLIC")  # PostgreSQL warns that it granted nothing
    for right in ("UPDATE", "DELETE", "TRUNCATE", "TRIGGER", "REFERENCES"):
        assert not await connection.fetchval("SELECT has_table_privilege('audit_entries', $1)", right)
    await connection.close()


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all")
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("statement", OWNER_FUNCTIONS)
@pytest.mark.parametrize("role", ["app", "admin"])
async def test_temporary_objects_run_no_code_as_the_owner(
    request: pytest.FixtureRequest, role: str, statement: str, kind: str
) -> None:
    connection = await asyncpg.connect(database_url_of(role, request))
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute(
        "INSERT INTO users SELECT (jsonb_populate_record(NULL::users, CAST($1 AS text)::jsonb)).*", GONE
    )
    await connection.execute(INTRUDER.format(kind=kind))
    await connection.execute(statement)
    await transaction.rollback()
    await connection.close()


@pytest.mark.parametrize("table", ENTRIES)
@pytest.mark.parametrize("statement", OWNERS)
async def test_owner_cannot_alter_rows(request: pytest.FixtureRequest, statement: str, table: str) -> None:
    await assert_denied(database_url_of("owner", request), statement, table)


@pytest.mark.parametrize("role", ["app", "admin"])
async def test_application_and_admin_roles_can_read_and_append(request: pytest.FixtureRequest, role: str) -> None:
    connection = await asyncpg.connect(database_url_of(role, request))
    added = """
        INSERT INTO audit_entries (occurred_at, id, action, actor_kind, before, after, details)
        VALUES (now(), gen_random_uuid(), 'thing.made', 'system', '{}', '{}', '{}')
    """
    await connection.execute(added)
    assert await connection.fetchval("SELECT count(*) FROM audit_entries") == 2
    await connection.close()


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all")
async def test_granting_role_privileges_again_adds_no_access(request: pytest.FixtureRequest, servers: Servers) -> None:
    """`undercroft dev` does this at every start, and `undercroft db roles` on request."""
    owner = await asyncpg.connect(database_url_of("owner", request))
    for statement in schema_statements(Roles("", "", "")):
        if not statement.startswith("REVOKE CREATE"):
            await owner.execute(statement)
    await owner.close()
    for table in ENTRIES:
        await assert_denied(database_url_of("app", request), "UPDATE {table} SET action = 'x.y'", table)


async def test_new_partition_is_protected_like_the_others(
    request: pytest.FixtureRequest, database: Database, owner_url: str
) -> None:
    owner = await asyncpg.connect(owner_url)
    last = await owner.fetchval("SELECT max(relname) FROM pg_class WHERE relname ~ '^audit_entries_[0-9_]+$'")
    await owner.execute(f"DROP TABLE {last}; DROP TABLE {last.replace('entries', 'personal')}")
    await owner.close()
    async with database.session() as session:
        assert await PartitionRepository(session).add() == 2
        assert await PartitionRepository(session).add() == 0
    for role in ("app", "admin", "owner"):
        for statement in OWNERS:
            await assert_denied(database_url_of(role, request), statement, last)
