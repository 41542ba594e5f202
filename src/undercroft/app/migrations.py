"""The histories of this installation: the core's, then those of modules that keep their own."""

from collections.abc import Callable

from sqlmodel import SQLModel

from undercroft.app.discovery import Module, load_models, modules
from undercroft.app.schema import configured_row_security
from undercroft.core.db import migrations, row_security
from undercroft.core.db.migrations import SCRIPT_LOCATION, History, NoChangesDetected, Status
from undercroft.core.db.row_security import RowSecurityConfig
from undercroft.core.errors import ConfigurationError
from undercroft.core.model_classes import model_classes


def histories() -> list[History]:
    """Every history, the core first, then modules' own in the modules' order."""
    load_models()
    own = [module for module in modules() if _has_own_history(module)]
    apart = {module.name: _tables_of(f"{module.package.__name__}.") for module in own}
    core = frozenset(SQLModel.metadata.tables) - frozenset().union(*apart.values())
    return [
        History("core", SCRIPT_LOCATION, core),
        *(History(module.name, module.folder / "migrations", apart[module.name]) for module in own),
    ]


def history(name: str) -> History:
    """One history by its name. Raises `ConfigurationError` naming those that exist."""
    known = {history.name: history for history in histories()}
    if name not in known:
        raise ConfigurationError(f"There is no history called {name}. There are: {', '.join(known)}.")
    return known[name]


def require_module(name: str) -> None:
    """Raise `ConfigurationError` when neither a history nor a module has this name."""
    known = ["core", *(module.name for module in modules())]
    if name not in known:
        raise ConfigurationError(f"There is no history called {name}. There are: {', '.join(known)}.")


async def history_to_extend(name: str | None, url: str) -> History:
    """The history that a new migration belongs to; without a name the only one whose models differ.

    A module with models and without a history gets its first one. Raises `NoChangesDetected` when no models differ, and
    `ConfigurationError` when the module has no models of its own, or the name cannot be left out.
    """
    if name is None:
        return await _only_changed_history(url)
    known = {each.name: each for each in histories()}
    if name in known:
        return known[name]
    fresh = {each.name: each for each in await _initial_histories(url)}
    if name not in fresh:
        raise ConfigurationError(
            f"The module {name} has no history of its own: it has no models, or their tables are the core's.\n"
            f"Name one of {', '.join([*known, *fresh])}."
        )
    return fresh[name]


async def upgrade_all(
    url: str,
    *,
    report: Callable[[str], None] | None = None,
    rls: RowSecurityConfig | None = None,
    lossless: bool = False,
) -> list[str]:
    """Bring a database to the newest schema as its owner; returns the revisions that were run.

    Then its row-level security is made what is `rls`, or else what TENANT_RLS says. `lossless` runs nothing that
    can lose data.
    """
    run = await migrations.upgrade(url, histories(), report=report, lossless=lossless)
    rls = rls or configured_row_security()
    for table in await row_security.sync(url, rls):
        if report is not None:
            report(f"row-level security {'on' if rls.enabled else 'off'}: {table}")
    return run


async def get_statuses(url: str) -> list[Status]:
    return await migrations.get_statuses(url, histories())


async def find_differences(url: str) -> list[str]:
    """Where models and a migrated database differ, `history: difference` each; empty when they agree."""
    return [
        f"{history.name}: {difference}"
        for history in histories()
        for difference in await migrations.differences(url, history)
    ]


async def require_current(url: str) -> list[str]:
    """Raise `ConfigurationError` when this release does not run on the schema; returns what there is to warn of.

    A newer schema is one that this release runs on, unless a migration there says `backward_compatible = False`.
    """
    found = await get_statuses(url)
    for status in found:
        if status.pending and status.missing:
            raise ConfigurationError(migrations.missing_file_message(status))
        if status.blocking_revision:
            raise ConfigurationError(
                f"The database's schema is newer than this release, which does not run on it: the migration "
                f"{status.blocking_revision} of {status.history} excludes older releases.\nInstall the newer release."
            )
    if behind := [status for status in found if status.pending]:
        listed = ", ".join(f"{status.history} ({len(status.pending)} to run)" for status in behind)
        raise ConfigurationError(
            f"The database's schema is older than this program: {listed}.\n"
            "Run `undercroft migrate upgrade`, or set MIGRATE_ON_START=true."
        )
    return [_newer_schema_warning(status) for status in found if status.is_newer]


async def schema_warnings(url: str) -> list[str]:
    """What a developer reads instead of a refusal when the schema is not the one that the code was written for."""
    found = await get_statuses(url)
    said = [migrations.missing_file_message(status) for status in found if status.missing]
    lossy = await migrations.find_lossy_migration(url, histories()) if not said else None
    if lossy is not None:
        said.append(
            f"The migration {lossy.revision} of {lossy.history} can lose data, so it waits for you.\n"
            f"  {lossy.file}\n  {' '.join(lossy.statement.split())}\n"
            "Read it, then run `undercroft migrate upgrade`. Until then, what needs it fails."
        )
    return said


def _newer_schema_warning(status: Status) -> str:
    newest = ", ".join(each.revision for each in reversed(status.missing))
    return (
        f"The database's schema is newer than this release: it has run {newest} of {status.history}, which this "
        f"release does not have. If that file was deleted here, restore it or run `undercroft migrate repair`."
    )


async def _only_changed_history(url: str) -> History:
    known = histories()
    fresh = await _initial_histories(url)
    taken = frozenset().union(*(each.tables for each in fresh))
    core, *others = known
    candidates = [History(core.name, core.folder, core.tables - taken), *others]
    different = fresh + [each for each in candidates if await migrations.differences(url, each)]
    if len(different) > 1:
        listed = ", ".join(each.name for each in different)
        raise ConfigurationError(f"The models of several modules changed: {listed}. Name one with --module.")
    if not different:
        raise NoChangesDetected("Models and database agree: there is nothing to migrate.")
    return different[0]


async def _initial_histories(url: str) -> list[History]:
    """One for each module whose models have no table yet and that has no history: their tables are not the core's."""
    known = await migrations.tables(url)
    without = [module for module in modules() if not _has_own_history(module)]
    owned = {module: _tables_of(f"{module.package.__name__}.") for module in without}
    return [
        History(module.name, module.folder / "migrations", tables)
        for module, tables in owned.items()
        if tables and not tables & known
    ]


def _has_own_history(module: Module) -> bool:
    return (module.folder / "migrations").is_dir()


def _tables_of(package: str) -> frozenset[str]:
    owned = (model for model in model_classes() if f"{model.__module__}.".startswith(package))
    return frozenset(str(model.__tablename__) for model in owned)
