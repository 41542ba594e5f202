"""The migration histories of this installation: that of the core, then those of modules."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from sysconfig import get_path

from sqlmodel import SQLModel

import undercroft
from undercroft.app import backfills
from undercroft.app.discovery import LoadedModule, table_names
from undercroft.app.registry import get_registry
from undercroft.app.schema import configured_row_security
from undercroft.app.upgrade.setting_changes import default_settings
from undercroft.core.db import migrations, row_security
from undercroft.core.db.migrations import SCRIPT_LOCATION, History, MigrationRisk, NoChangesDetected, Status
from undercroft.core.db.row_security import RowSecurityConfig
from undercroft.core.errors import ConfigurationError
from undercroft.core.model_classes import all_model_classes


def histories() -> list[History]:
    """Return all histories: the core first, then those of modules in the order of the modules."""
    get_registry().load_models()
    own = [module for module in get_registry().modules if _has_own_history(module)]
    module_tables = {module.name: table_names(module) for module in own}
    foreign = filter(get_registry().foreign_models.is_foreign, all_model_classes())
    core = frozenset(SQLModel.metadata.tables).difference(str(model.__tablename__) for model in foreign)
    core = core.difference(*module_tables.values())
    return [
        History("core", SCRIPT_LOCATION, core),
        *(History(module.name, module.folder / "migrations", module_tables[module.name]) for module in own),
    ]


def history(name: str) -> History:
    """Return a history by its name. Raises `ConfigurationError` with the existing names."""
    known = {history.name: history for history in histories()}
    if name not in known:
        raise ConfigurationError(f"There is no history called {name}. Available: {', '.join(known)}.")
    return known[name]


def require_module(name: str) -> None:
    """Raise `ConfigurationError` if neither a history nor a module has this name."""
    known = ["core", *(module.name for module in get_registry().modules)]
    if name not in known:
        raise ConfigurationError(f"There is no history called {name}. Available: {', '.join(known)}.")


async def history_to_extend(name: str | None, url: str) -> History:
    """Return the history for a new migration. Without a name, it is the only one with changed models.

    A module with models but no history gets a new one. Raises `NoChangesDetected` if no models have changed, and
    `ConfigurationError` if the module has no models of its own, or if several modules have changed.
    """
    if name is None:
        return await _only_changed_history(url)
    known = {each.name: each for each in histories()}
    if name in known:
        return known[name]
    new = {each.name: each for each in await _initial_histories(url)}
    if name not in new:
        raise ConfigurationError(
            f"The module {name} has no history: it has no models, or its tables belong to the core history.\n"
            f"Use one of {', '.join([*known, *new])}."
        )
    return new[name]


async def upgrade_all(
    url: str,
    *,
    report: Callable[[str], None] | None = None,
    rls: RowSecurityConfig | None = None,
    lossless: bool = False,
) -> list[str]:
    """Apply all pending migrations as the owner of the database; returns the applied revisions.

    Before a migration that requires a backfill, runs it or follows the process that runs it. `report` is called with
    its progress. Then applies the row-level security of `rls`, by default that of TENANT_RLS. With `lossless`, stops
    before a migration that can lose data. Records this release in the database, if none is pending.
    """
    own = histories()
    complete = partial(backfills.complete_as_owner, url, report=report)
    run = await migrations.upgrade(url, own, report=report, lossless=lossless, complete_backfill=complete)
    rls = rls or configured_row_security()
    for table in await row_security.sync(url, rls):
        if report is not None:
            report(f"row-level security {'on' if rls.enabled else 'off'}: {table}")
    if not any(status.pending for status in await get_statuses(url)):
        settings = default_settings(get_registry().settings_classes)
        await migrations.record_release(url, undercroft.__version__, settings)
    return run


async def get_statuses(url: str) -> list[Status]:
    return await migrations.get_statuses(url, histories())


async def find_differences(url: str) -> list[str]:
    """Return the differences between the models and a migrated database, each as `history: difference`."""
    return [
        f"{history.name}: {difference}"
        for history in histories()
        for difference in await migrations.differences(url, history)
    ]


def find_risks() -> list[MigrationRisk]:
    """Return the risks that the project's migration files do not accept. Installed packages check their own files."""
    installed = Path(get_path("purelib"))
    return [
        risk
        for history in histories()
        if installed not in history.folder.resolve().parents
        for risk in migrations.find_risks(history)
        if not risk.is_accepted
    ]


async def require_current(url: str) -> list[str]:
    """Raise `ConfigurationError` if this release cannot run on the schema; returns warnings.

    This release can run on a newer schema unless one of its migrations has `backward_compatible = False`.
    """
    found = await get_statuses(url)
    for status in found:
        if status.pending and status.missing:
            raise ConfigurationError(migrations.missing_file_message(status))
        if status.blocking_revision:
            raise ConfigurationError(
                f"The database schema is newer than this release and not compatible with it: the migration "
                f"{status.blocking_revision} of {status.history} excludes older releases.\nInstall the newer release."
            )
    if behind := [status for status in found if status.pending]:
        listed = ", ".join(f"{status.history} ({len(status.pending)} pending)" for status in behind)
        raise ConfigurationError(
            f"The database schema is older than this release: {listed}.\n"
            "Run `undercroft migrate upgrade`, or set MIGRATE_ON_START=true."
        )
    return [_newer_schema_warning(status) for status in found if status.is_newer]


async def schema_warnings(url: str) -> list[str]:
    """Return warnings for developers if the schema does not match the code."""
    found = await get_statuses(url)
    warnings = [migrations.missing_file_message(status) for status in found if status.missing]
    lossy = await migrations.find_lossy_migration(url, histories()) if not warnings else None
    if lossy is not None:
        warnings.append(
            f"The migration {lossy.revision} of {lossy.history} can lose data and was not applied automatically.\n"
            f"  {lossy.file}\n  {' '.join(lossy.statement.split())}\n"
            "Review it, then run `undercroft migrate upgrade`. Until then, code that needs it fails."
        )
    return warnings


def _newer_schema_warning(status: Status) -> str:
    newest = ", ".join(each.revision for each in reversed(status.missing))
    return (
        f"The database schema is newer than this release: it contains {newest} of {status.history}, which this "
        f"release does not have. If you deleted the file, restore it or run `undercroft migrate repair`."
    )


async def _only_changed_history(url: str) -> History:
    known = histories()
    new = await _initial_histories(url)
    new_tables = frozenset().union(*(each.tables for each in new))
    core, *others = known
    candidates = [History(core.name, core.folder, core.tables - new_tables), *others]
    changed = new + [each for each in candidates if await migrations.differences(url, each)]
    if len(changed) > 1:
        listed = ", ".join(each.name for each in changed)
        raise ConfigurationError(f"The models of several modules changed: {listed}. Choose one with --module.")
    if not changed:
        raise NoChangesDetected("Models and database match: there is nothing to migrate.")
    return changed[0]


async def _initial_histories(url: str) -> list[History]:
    """Return a new history for each module that has none and whose models have no tables in the database yet."""
    known = await migrations.tables(url)
    without = [module for module in get_registry().modules if not _has_own_history(module)]
    owned = {module: table_names(module) for module in without}
    return [
        History(module.name, module.folder / "migrations", tables)
        for module, tables in owned.items()
        if tables and not tables & known
    ]


def _has_own_history(module: LoadedModule) -> bool:
    return (module.folder / "migrations").is_dir()
