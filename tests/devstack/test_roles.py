"""The SQL of `undercroft db roles`, run on a real server."""

import asyncpg
import pytest

from undercroft.devstack.roles import Roles, ensure, script


@pytest.fixture
async def roles(servers):
    made = Roles("p'w of the owner", "pw of the app", "pw/of%the admin", "r_owner", "r_app", "r_admin", "r_database")
    yield made
    manager = await asyncpg.connect(servers.manager_url)
    await manager.execute("DROP DATABASE IF EXISTS r_database WITH (FORCE)")
    for role in ("r_owner", "r_app", "r_admin"):
        await manager.execute(f"DROP ROLE IF EXISTS {role}")
    await manager.close()


def _url(servers, roles: Roles, role: str) -> str:
    port = int(servers.manager_url.rpartition(":")[2].partition("/")[0])
    return roles.url(role, "127.0.0.1", port)


async def test_owner_creates_tables_and_other_roles_use_them(servers, roles: Roles):
    await ensure(servers.manager_url, roles)
    await ensure(servers.manager_url, roles)

    owner = await asyncpg.connect(_url(servers, roles, "owner"))
    await owner.execute("CREATE TABLE things (id serial PRIMARY KEY)")
    await owner.close()
    for role in ("app", "admin"):
        connection = await asyncpg.connect(_url(servers, roles, role))
        await connection.execute("INSERT INTO things DEFAULT VALUES")
        for forbidden in ("CREATE TABLE more (id int)", "DROP TABLE things", "TRUNCATE things", "CREATE ROLE r_other"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
        await connection.close()


async def test_other_roles_cannot_connect(servers, roles: Roles):
    await ensure(servers.manager_url, roles)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(servers.with_database(servers.app_url, "r_database"))


def test_script_contains_all_statements_and_urls(roles: Roles):
    text = script(roles)
    for piece in ("CREATE ROLE r_owner", "CREATE DATABASE r_database", "\\gexec", "\\connect r_database", "p''w of"):
        assert piece in text
    assert "DATABASE_URL=postgresql://r_app:pw%20of%20the%20app@HOST:5432/r_database" in text


@pytest.mark.parametrize("name", ["", "Owner", "a b", "a;drop", 'a"b', "1st"])
def test_role_name_must_be_a_plain_identifier(name: str):
    with pytest.raises(ValueError, match="plain"):
        Roles("a", "b", "c", owner=name)
