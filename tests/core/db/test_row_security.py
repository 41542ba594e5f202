"""Policies made from the declaration, kept in step with the setting, and never promised in vain."""

import secrets
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import asyncpg
import pytest
from msgspec.structs import replace

from tests.core.db.rls_database import RlsDatabase, create_rls_database
from undercroft.app.schema import build_row_security
from undercroft.core.db.row_security import RowSecurityConfig, require, statements, sync
from undercroft.core.errors import ConfigurationError
from undercroft.testing.servers import Servers

OFF = RowSecurityConfig(enabled=False, tables=())
POLICIES = "SELECT tablename, policyname FROM pg_policies ORDER BY 1, 2"


@pytest.fixture
async def secured(servers: Servers, test_settings: None) -> AsyncIterator[RlsDatabase]:
    async with create_rls_database(servers) as made:
        yield made


@pytest.fixture
def wanted(test_settings: None) -> RowSecurityConfig:
    return build_row_security(enabled=True)


async def ask(url: str, *queries: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return [row for query in queries for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_every_team_owned_table_has_its_policies(secured: RlsDatabase, wanted: RowSecurityConfig) -> None:
    expected = [(table, name) for table in wanted.tables for name in ("undercroft_admin", "undercroft_team")]
    assert [tuple(row) for row in await ask(secured.owner_url, POLICIES)] == expected
    assert "projects" in wanted.tables


async def test_a_second_run_changes_nothing(secured: RlsDatabase, wanted: RowSecurityConfig) -> None:
    assert await sync(secured.owner_url, wanted) == []


async def test_off_takes_everything_down_and_on_puts_it_up_again(
    secured: RlsDatabase, wanted: RowSecurityConfig
) -> None:
    assert await sync(secured.owner_url, OFF) == list(wanted.tables)
    assert await ask(secured.owner_url, POLICIES) == []
    assert await ask(secured.owner_url, "SELECT 1 FROM pg_class WHERE relrowsecurity") == []
    await require(secured.app_url, OFF)
    assert await sync(secured.owner_url, wanted) == list(wanted.tables)
    await require(secured.app_url, wanted)


@pytest.mark.parametrize(
    "meddling",
    [
        "DROP POLICY undercroft_team ON projects",
        "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
        "COMMENT ON POLICY undercroft_team ON projects IS 'of an older release'",
        "CREATE POLICY undercroft_more ON projects USING (true)",
    ],
)
async def test_what_was_meddled_with_refuses_to_start_and_is_mended(
    secured: RlsDatabase, wanted: RowSecurityConfig, meddling: str
) -> None:
    await ask(secured.owner_url, meddling)
    with pytest.raises(ConfigurationError, match="undercroft migrate upgrade"):
        await require(secured.app_url, wanted)
    assert await sync(secured.owner_url, wanted) == ["projects"]
    await require(secured.app_url, wanted)


async def test_policies_without_the_setting_refuse_to_start(secured: RlsDatabase) -> None:
    """Every read would come back empty."""
    with pytest.raises(ConfigurationError, match="TENANT_RLS is off"):
        await require(secured.app_url, OFF)


async def test_a_role_that_is_not_bound_refuses_to_start(secured: RlsDatabase, wanted: RowSecurityConfig) -> None:
    with pytest.raises(ConfigurationError, match=r"owns the tables.*\n.*undercroft db roles"):
        await require(secured.owner_url, wanted)
    with pytest.raises(ConfigurationError, match="superuser"):
        await require(secured.manager_url, wanted)
    name = f"passes_{secrets.token_hex(4)}"
    await ask(secured.manager_url, f"CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD 'passes'")
    try:
        passes = urlsplit(secured.app_url)
        with pytest.raises(ConfigurationError, match="BYPASSRLS"):
            await require(passes._replace(netloc=f"{name}:passes@{passes.hostname}:{passes.port}").geturl(), wanted)
    finally:
        await ask(secured.manager_url, f"DROP ROLE {name}")


async def test_an_admins_role_that_does_not_exist_is_told(secured: RlsDatabase, wanted: RowSecurityConfig) -> None:
    with pytest.raises(ConfigurationError, match="The role nobody_here of ADMIN_DATABASE_URL does not exist"):
        await sync(secured.owner_url, replace(wanted, admin_role="nobody_here"))


async def test_the_printed_sql_does_the_same(secured: RlsDatabase, wanted: RowSecurityConfig) -> None:
    await ask(secured.owner_url, *statements(replace(wanted, enabled=False)))
    assert await ask(secured.owner_url, POLICIES) == []
    await ask(secured.owner_url, *statements(wanted))
    assert await sync(secured.owner_url, wanted) == []


async def test_the_planner_still_finds_a_teams_rows_by_its_index(secured: RlsDatabase) -> None:
    team = "00000000-0000-7000-8000-000000000001"
    listing = f"SELECT id FROM projects WHERE team_id = '{team}' ORDER BY created_at DESC, id DESC LIMIT 20"
    plan = await ask(
        secured.app_url,
        "SELECT set_config('enable_seqscan', 'off', false), set_config('enable_sort', 'off', false)",
        f"EXPLAIN {listing}",
    )
    assert any("ix_projects_team_id_created_at_id" in str(row[0]) and "Index Cond" not in str(row[0]) for row in plan)
    assert any("Index Cond: (team_id" in str(row[0]) for row in plan), [row[0] for row in plan]
