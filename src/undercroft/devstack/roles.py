"""The three database roles of an installation: the owner creates tables; the application and the admin API use them.

For PostgreSQL 15 and newer. All statements are idempotent.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

_NAME = re.compile(r"^[a-z_][a-z0-9_]{0,62}$")

_REVOKE_ON_APPEND_ONLY = """\
DO $$ DECLARE closed record; BEGIN
    FOR closed IN SELECT c.oid::regclass AS name, c.relispartition AS inner FROM pg_trigger t
        JOIN pg_class c ON c.oid = t.tgrelid WHERE t.tgname = 'append_only' LOOP
        EXECUTE format('REVOKE %s ON %s FROM {both}',
            CASE WHEN closed.inner THEN 'ALL' ELSE 'UPDATE, DELETE' END, closed.name);
    END LOOP;
    IF to_regclass('public.undercroft_migrations') IS NOT NULL THEN
        REVOKE ALL ON public.undercroft_migrations FROM {both};
        GRANT SELECT (history, revision, down_revision, backward_compatible)
            ON public.undercroft_migrations TO {both};
    END IF;
END $$"""
"""Revokes privileges that the application roles must not have.

Only the owner may write the table of migrations, because it executes the SQL stored there. Tables with the trigger
`append_only` allow only SELECT and INSERT, and their partitions no direct access.
"""


@dataclass(frozen=True)
class Roles:
    """Names and passwords of the roles, and the name of the database. Names are plain lowercase identifiers."""

    owner_password: str
    app_password: str
    admin_password: str
    owner: str = "undercroft_owner"
    app: str = "undercroft_app"
    admin: str = "undercroft_admin"
    database: str = "undercroft"

    def __post_init__(self) -> None:
        for name in (self.owner, self.app, self.admin, self.database):
            if not _NAME.match(name):
                raise ValueError(f"{name!r} is not a plain lowercase identifier")

    def url(self, role: str, host: str, port: int) -> str:
        """Return the URL for one role: `owner`, `app` or `admin`."""
        name, password = getattr(self, role), getattr(self, f"{role}_password")
        return f"postgresql://{name}:{quote(password, safe='')}@{host}:{port}/{self.database}"

    def passwords(self) -> Iterator[tuple[str, str]]:
        """The name and the password of each role."""
        yield self.owner, self.owner_password
        yield self.app, self.app_password
        yield self.admin, self.admin_password


def role_statements(roles: Roles) -> Iterator[str]:
    """Create the roles or change the passwords of existing ones. Requires a superuser or the CREATEROLE privilege."""
    for name, password in roles.passwords():
        yield (
            f"DO $$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') "
            f"THEN CREATE ROLE {name}; END IF; END $$"
        )
        yield f"ALTER ROLE {name} LOGIN PASSWORD {_literal(password)}"
    yield f"GRANT {roles.owner} TO CURRENT_USER"


def database_statement(roles: Roles) -> str:
    """Create the database. Cannot run in a transaction, and fails if the database exists."""
    return f"CREATE DATABASE {roles.database} OWNER {roles.owner} TEMPLATE template0 ENCODING 'UTF8'"


def grant_statements(roles: Roles) -> Iterator[str]:
    """Grant privileges in the database: the two application roles read and write rows; PUBLIC has no access."""
    both = f"{roles.app}, {roles.admin}"
    yield f"REVOKE ALL ON DATABASE {roles.database} FROM PUBLIC"
    yield f"GRANT CONNECT, TEMPORARY ON DATABASE {roles.database} TO {both}"
    yield from schema_statements(roles)


def schema_statements(roles: Roles) -> Iterator[str]:
    """Grant the privileges that are stored in the schema, and therefore cloned with a template database."""
    both = f"{roles.app}, {roles.admin}"
    yield "REVOKE CREATE ON SCHEMA public FROM PUBLIC"
    yield f"GRANT USAGE ON SCHEMA public TO {both}"
    yield f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {both}"
    yield _REVOKE_ON_APPEND_ONLY.format(both=both)
    yield f"GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {both}"
    default = f"ALTER DEFAULT PRIVILEGES FOR ROLE {roles.owner} IN SCHEMA public GRANT"
    yield f"{default} SELECT, INSERT, UPDATE, DELETE ON TABLES TO {both}"
    yield f"{default} USAGE, SELECT ON SEQUENCES TO {both}"


def script(roles: Roles) -> str:
    """Return a complete `psql` script to run as a superuser, connected to any database of the server."""
    lines = [
        "-- Creates the roles and the database of an Undercroft installation. Run it with psql as a superuser.",
        "",
    ]
    lines += [f"{statement};" for statement in role_statements(roles)]
    lines += [
        f"SELECT $create${database_statement(roles)}$create$",
        f"WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{roles.database}')\\gexec",
        f"\\connect {roles.database}",
    ]
    lines += [f"{statement};" for statement in grant_statements(roles)]
    lines += ["", "-- Then set, with the address of the server instead of HOST:"]
    for setting, role in (
        ("MIGRATION_DATABASE_URL", "owner"),
        ("DATABASE_URL", "app"),
        ("ADMIN_DATABASE_URL", "admin"),
    ):
        lines.append(f"-- {setting}={roles.url(role, 'HOST', 5432)}")
    return "\n".join(lines) + "\n"


async def ensure(url: str, roles: Roles) -> None:
    """Create missing roles and the database on the server; `url` connects as its superuser."""
    import asyncpg

    server = await asyncpg.connect(url)
    try:
        for statement in role_statements(roles):
            await server.execute(statement)
        if not await server.fetchval("SELECT 1 FROM pg_database WHERE datname = $1", roles.database):
            await server.execute(database_statement(roles))
    finally:
        await server.close()
    inside = await asyncpg.connect(url, database=roles.database)
    try:
        for statement in grant_statements(roles):
            await inside.execute(statement)
    finally:
        await inside.close()


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
