"""A role of the development database that can only read, and only the columns without secrets.

It logs in itself: a role that is only set (`SET ROLE`) could be left again by `set_config` in a query.
"""

import hashlib
import hmac
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit, urlunsplit

import asyncpg

from undercroft.core.db.connect import CONNECT_ERRORS, connect
from undercroft.core.errors import ConfigurationError
from undercroft.devstack import state
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.postgres import PostgresServer
from undercroft.devstack.state import DevState

NAME = "undercroft_reader"
_LOCK_KEY = 0x756E646572726561  # "underrea"

_CREATE = """
DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'undercroft_reader') THEN
        CREATE ROLE undercroft_reader LOGIN NOINHERIT BYPASSRLS CONNECTION LIMIT 10 PASSWORD '%s';
        ALTER ROLE undercroft_reader SET default_transaction_read_only = on;
    END IF;
EXCEPTION WHEN duplicate_object OR unique_violation THEN NULL;  -- created concurrently
END $$;
"""
_REVOKE = """
DO $$ DECLARE given record; BEGIN
    FOR given IN SELECT DISTINCT table_name FROM information_schema.column_privileges
        WHERE grantee = 'undercroft_reader' AND table_schema = 'public' LOOP
        EXECUTE format('REVOKE ALL ON public.%I FROM undercroft_reader', given.table_name);
    END LOOP;
END $$;
"""
_COLUMNS = """
SELECT table_name::text, array_agg(column_name::text) AS names FROM information_schema.columns
WHERE table_schema = 'public' GROUP BY table_name
"""


async def ensure_reader(folder: Path, readable: Mapping[str, Sequence[str]]) -> str:
    """Create the role or update its privileges, and return its URL. `readable` are the columns of each table.

    Raises `ConfigurationError` if no stack with an embedded PostgreSQL is running in this folder.
    """
    project = ProjectEnvironment()
    if project.has_database:
        raise ConfigurationError("SQL needs the embedded PostgreSQL of `undercroft dev`: unset DATABASE_URL.")
    if project.value("ENVIRONMENT") not in ("", "development"):
        raise ConfigurationError("SQL is available only in development: unset ENVIRONMENT.")
    if not state.is_running(folder):
        raise ConfigurationError("SQL needs the development stack. Start `undercroft dev` in this folder.")
    running = DevState.read(folder)
    password = hmac.new(running.secret_key.encode(), b"undercroft reader", hashlib.sha256).hexdigest()
    server = PostgresServer(folder, running.postgres_port, running.postgres_password)
    url = urlunsplit(urlsplit(server.url)._replace(path=f"/{running.roles.database}"))
    try:
        connection = await connect(url, "reader")
    except CONNECT_ERRORS as error:
        raise ConfigurationError(f"PostgreSQL of `undercroft dev` cannot be reached: {error}") from None
    try:
        async with connection.transaction():
            await grant(connection, readable, password, running.roles.database)
    finally:
        await connection.close()
    return f"postgresql://{NAME}:{quote(password)}@127.0.0.1:{running.postgres_port}/{running.roles.database}"


async def grant(
    connection: asyncpg.Connection, readable: Mapping[str, Sequence[str]], password: str, database: str
) -> None:
    """Create the role, and set its privileges to exactly these columns, as far as they exist. Requires a superuser."""
    await connection.execute("SELECT pg_advisory_xact_lock($1)", _LOCK_KEY)
    await connection.execute(f"{_CREATE % password} {_REVOKE}")
    await connection.execute(
        f"GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {NAME}; GRANT USAGE ON SCHEMA public TO {NAME}"
    )
    for row in await connection.fetch(_COLUMNS):
        names = [name for name in readable.get(row["table_name"], ()) if name in row["names"]]
        if names:
            columns = ", ".join(map(_quote, names))
            await connection.execute(f"GRANT SELECT ({columns}) ON public.{_quote(row['table_name'])} TO {NAME}")


def _quote(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
