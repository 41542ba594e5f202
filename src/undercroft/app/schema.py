"""Whether the schema is the newest, seen without Alembic: importing that costs a server 0.2 s and 10 MB."""

from collections.abc import Iterator
from pathlib import Path

import undercroft
from undercroft.app.loader import modules

CORE = Path(undercroft.__file__).parent / "migrations" / "versions"


async def is_newest(url: str) -> bool:
    """Whether every history stands at its last file; False may also mean that only a migration's tools can tell why."""
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    try:
        for name, revision in _last_files():
            if await connection.fetchval(f'SELECT version_num FROM "{name}_alembic_version"') != revision:  # noqa: S608
                return False
    except asyncpg.UndefinedTableError:
        return False
    finally:
        await connection.close()
    return True


def _last_files() -> Iterator[tuple[str, str]]:
    """Each history with the name of its last file, which is its revision: they are numbered."""
    folders = {"core": CORE} | {module.name: module.folder / "migrations" / "versions" for module in modules()}
    for name, folder in folders.items():
        files = sorted(path.stem for path in folder.glob("[0-9]*.py"))
        if files:
            yield name, files[-1]
