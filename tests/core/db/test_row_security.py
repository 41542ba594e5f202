"""Row-level security policies: generated from the models, synchronized with the setting, and checked at startup."""

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

pytestmark = pytest.mark.requires_module("projects")

OFF = RowSecurityConfig(enabled=False, tables=())
POLICIES = "SELECT tablename, policyname FROM pg_policies ORDER BY 1, 2"


@pytest.fixture
async def secured(servers: Servers, test_settings: None) -> AsyncIterator[RlsDatabase]:
    async with create_rls_database(servers) as secured:
        yield secured


@pytest.fixture
def config(test_settings: None) -> RowSecurityConfig:
    return build_row_security(enabled=True)


async def fetch_all(url: str, *queries: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return [row for query in queries for row in await connection.fetch(query)]
    finally:
        await connection.close()


async def test_every_team_owned_table_has_its_policies(secured: RlsDatabase, config: RowSecurityConfig) -> None:
    expected = [(table, name) for table in config.tables for name in ("undercroft_admin", "undercroft_team")]
    assert [tuple(row) for row in await fetch_all(secured.owner_url, POLICIES)] == expected
    assert "projects" in config.tables


async def test_second_sync_changes_nothing(secured: RlsDatabase, config: RowSecurityConfig) -> None:
    assert await sync(secured.owner_url, config) == []


async def test_sync_drops_all_policies_when_off_and_recreates_them_when_on(
    secured: RlsDatabase, config: RowSecurityConfig
) -> None:
    assert await sync(secured.owner_url, OFF) == list(config.tables)
    assert await fetch_all(secured.owner_url, POLICIES) == []
    assert await fetch_all(secured.owner_url, "SELECT 1 FROM pg_class WHERE relrowsecurity") == []
    await require(secured.app_url, OFF)
    assert await sync(secured.owner_url, config) == list(config.tables)
    await require(secured.app_url, config)


@pytest.mark.parametrize(
    "change",
    [
        "DROP POLICY undercroft_team ON projects",
        "ALTER TABLE projects DISABLE ROW LEVEL SECURITY",
        "COMMENT ON POLICY undercroft_team ON projects IS 'of an older release'",
        "CREATE POLICY undercroft_more ON projects USING (true)",
    ],
)
async def test_changed_policies_are_refused_at_startup_and_fixed_by_sync(
    secured: RlsDatabase, config: RowSecurityConfig, change: str
) -> None:
    await fetch_all(secured.owner_url, change)
    with pytest.raises(ConfigurationError, match="undercroft migrate upgrade"):
        await require(secured.app_url, config)
    assert await sync(secured.owner_url, config) == ["projects"]
    await require(secured.app_url, config)


async def test_policies_are_refused_at_startup_when_the_setting_is_off(secured: RlsDatabase) -> None:
    """Otherwise every read would return no rows."""
    with pytest.raises(ConfigurationError, match="TENANT_RLS is off"):
        await require(secured.app_url, OFF)


async def test_role_that_bypasses_row_security_is_refused_at_startup(
    secured: RlsDatabase, config: RowSecurityConfig
) -> None:
    with pytest.raises(ConfigurationError, match=r"owns the tables.*\n.*undercroft db roles"):
        await require(secured.owner_url, config)
    with pytest.raises(ConfigurationError, match="superuser"):
        await require(secured.manager_url, config)
    name = f"passes_{secrets.token_hex(4)}"
    await fetch_all(secured.manager_url, f"CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD 'passes'")
    try:
        passes = urlsplit(secured.app_url)
        with pytest.raises(ConfigurationError, match="BYPASSRLS"):
            await require(passes._replace(netloc=f"{name}:passes@{passes.hostname}:{passes.port}").geturl(), config)
    finally:
        await fetch_all(secured.manager_url, f"DROP ROLE {name}")


async def test_sync_raises_when_the_admin_role_does_not_exist(secured: RlsDatabase, config: RowSecurityConfig) -> None:
    with pytest.raises(ConfigurationError, match="The role missing_role of ADMIN_DATABASE_URL does not exist"):
        await sync(secured.owner_url, replace(config, admin_role="missing_role"))


async def test_printed_sql_creates_the_same_policies(secured: RlsDatabase, config: RowSecurityConfig) -> None:
    await fetch_all(secured.owner_url, *statements(replace(config, enabled=False)))
    assert await fetch_all(secured.owner_url, POLICIES) == []
    await fetch_all(secured.owner_url, *statements(config))
    assert await sync(secured.owner_url, config) == []


async def test_planner_uses_the_index_for_a_teams_rows(secured: RlsDatabase) -> None:
    team = "00000000-0000-7000-8000-000000000001"
    listing = f"SELECT id FROM projects WHERE team_id = '{team}' ORDER BY created_at DESC, id DESC LIMIT 20"
    plan = await fetch_all(
        secured.app_url,
        "SELECT set_config('enable_seqscan', 'off', false), set_config('enable_sort', 'off', false)",
        f"EXPLAIN {listing}",
    )
    assert any("ix_projects_team_id_created_at_id" in str(row[0]) and "Index Cond" not in str(row[0]) for row in plan)
    assert any("Index Cond: (team_id" in str(row[0]) for row in plan), [row[0] for row in plan]
