"""Removes the data of an extension from the database, also if its package was uninstalled before."""

from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

import asyncpg
from msgspec import Struct

from undercroft.app.optional_modules import built_in_names
from undercroft.app.registry import Registry, load_extension
from undercroft.core.audit import Entry, record
from undercroft.core.auth.permissions import PermissionsRemoved
from undercroft.core.db import Database
from undercroft.core.db.connect import open_connection
from undercroft.core.db.migrations import History, forget, is_applied, revert_all
from undercroft.core.errors import ConfigurationError
from undercroft.core.events import ExtensionRemoved, publish
from undercroft.core.live.versions import delete_versions
from undercroft.core.modules import ENTRY_POINTS, EXTENSIONS, add_project_to_path, available_extensions
from undercroft.jobs.maintenance import delete_tasks, find_live_workers


class Removal(Struct, frozen=True):
    """What was removed of an extension. `permissions` is None if they are unknown because it cannot be imported."""

    migrations: list[str]
    jobs: int
    permissions: tuple[str, ...] | None


def find_history(name: str) -> History:
    """Return the history of an extension, without importing it; of a missing one, a history without files."""
    add_project_to_path()
    packages = available_extensions().get(name, [])
    spec = find_spec(packages[0]) if packages else None
    folder = Path(spec.origin).parent if spec and spec.origin else Path(EXTENSIONS, name)
    return History(name, folder / "migrations", frozenset())


async def require_removable(url: str, name: str) -> None:
    """Raise `ConfigurationError` if there is no such extension, or if a running worker has it."""
    if name in built_in_names():
        raise ConfigurationError(f"{name} is a module of Undercroft. To leave it out, add it to DISABLED_MODULES.")
    if name not in available_extensions() and not await is_applied(url, find_history(name)):
        raise ConfigurationError(f"There is no extension {name}, and the database has no data of it.")
    async with open_connection(url) as connection:
        try:
            workers = await find_live_workers(connection, f"{name}.")
        except asyncpg.UndefinedTableError:
            raise ConfigurationError("The database is empty: there are no data to remove.") from None
    if workers:
        raise ConfigurationError(
            f"A running worker has the extension {name}: {', '.join(workers)}.\n"
            f"Run `undercroft extension disable {name}`, restart all servers and workers, and try again."
        )


def list_permissions_of(name: str) -> tuple[str, ...] | None:
    """Return the names of the permissions that an extension declares; None if it cannot be loaded."""
    try:
        return tuple(sorted(Registry((load_extension(name),)).permissions.by_name))
    except Exception:  # whatever its code raises
        return None


async def remove_data(database: Database, url: str, name: str, permissions: tuple[str, ...] | None) -> Removal:
    """Revert all migrations of an extension and delete its jobs, schedules and grants of its permissions.

    The version table is dropped last: after an interruption, a second call continues. The audit log stays.
    """
    history = find_history(name)
    migrations = await revert_all(url, history)
    async with database.session() as session:
        jobs = await delete_tasks(session, f"{name}.")
        if permissions:
            await publish(session, PermissionsRemoved(permissions))
        await publish(session, ExtensionRemoved(name))
        await delete_versions(session, f"{name}.")
        details = {"extension": name, "migrations": migrations, "jobs": jobs}
        await record(session, Entry("extension.removed", target_type="extension", details=details))
    await forget(url, history)
    return Removal(migrations, jobs, permissions)


def explain_uninstallation(name: str) -> str:
    """Return how to delete the code of an extension; empty if there is none."""
    if Path(EXTENSIONS, name).is_dir():
        return f"Delete the folder {Path(EXTENSIONS, name)} to remove its code."
    (entry,) = entry_points(group=ENTRY_POINTS, name=name) or (None,)
    package = entry.dist.name if entry and entry.dist else ""
    return f"Uninstall the package {package} to remove its code." if package else ""
