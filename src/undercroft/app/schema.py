"""Schema checks without Alembic, because importing it would cost a server 0.2 s and 10 MB."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
from msgspec.structs import replace

import undercroft
from undercroft.app.registry import get_registry
from undercroft.core.db import DatabaseSettings, row_security
from undercroft.core.db.connect import open_connection
from undercroft.core.db.row_security import RowSecurityConfig
from undercroft.core.db.tenancy import tenant_tables
from undercroft.core.settings import load

CORE_VERSIONS = Path(undercroft.__file__).parent / "migrations" / "versions"


async def is_current(url: str) -> bool:
    """Return whether every history is at its last revision and row-level security matches the settings.

    False gives no reason; `app.migrations` finds it. Raises `ConfigurationError` if the database is unreachable.
    """
    async with open_connection(url) as connection:
        try:
            for name, revision in _latest_revisions():
                stored = await connection.fetchval(f'SELECT version_num FROM "{name}_alembic_version"')  # noqa: S608
                if stored != revision:
                    return False
            return await row_security.is_synced(connection, replace(configured_row_security(), admin_role=""))
        except asyncpg.UndefinedTableError:
            return False


async def require_row_security() -> None:
    """Raise `ConfigurationError` if row-level security in the database does not match TENANT_RLS."""
    await row_security.require(load(DatabaseSettings).direct_url, configured_row_security())


def configured_row_security() -> RowSecurityConfig:
    """Return the row-level security that the settings require. The tables are loaded only if it is on."""
    if load(DatabaseSettings).tenant_rls:
        return build_row_security(enabled=True)
    return RowSecurityConfig(enabled=False, tables=())


def build_row_security(*, enabled: bool) -> RowSecurityConfig:
    """Return row-level security for all tenant tables and the roles of the settings."""
    get_registry().load_models()
    settings = load(DatabaseSettings)
    admin = row_security.role_from_url(settings.admin_url)
    is_separate = admin != row_security.role_from_url(settings.url)
    return RowSecurityConfig(enabled, tenant_tables(), admin if is_separate else "")


def _latest_revisions() -> Iterator[tuple[str, str]]:
    """Yield each history with its latest revision, which is the name of its last (numbered) file."""
    modules = {module.name: module.folder / "migrations" / "versions" for module in get_registry().modules}
    folders = {"core": CORE_VERSIONS} | modules
    for name, folder in folders.items():
        files = sorted(path.stem for path in folder.glob("[0-9]*.py"))
        if files:
            yield name, files[-1]
