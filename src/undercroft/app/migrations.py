"""The histories of this installation: the core's, then those of modules that keep their own."""

from collections.abc import Callable

from sqlmodel import SQLModel

from undercroft.app.loader import Module, load_models, modules
from undercroft.app.schema import wanted_row_security
from undercroft.core.db import migrations, row_security
from undercroft.core.db.migrations import ENVIRONMENT, History, Status
from undercroft.core.db.row_security import Wanted
from undercroft.core.errors import ConfigurationError


def histories() -> list[History]:
    """Every history, the core first, then modules' own in the modules' order."""
    load_models()
    own = [module for module in modules() if _has_own_history(module)]
    apart = {module.name: _tables_of(f"{module.package.__name__}.") for module in own}
    core = frozenset(SQLModel.metadata.tables) - frozenset().union(*apart.values())
    return [
        History("core", ENVIRONMENT, core),
        *(History(module.name, module.folder / "migrations", apart[module.name]) for module in own),
    ]


def history(name: str) -> History:
    """One history by its name. Raises `ConfigurationError` naming those that exist."""
    known = {history.name: history for history in histories()}
    if name not in known:
        raise ConfigurationError(f"There is no history called {name}. There are: {', '.join(known)}.")
    return known[name]


async def upgrade_all(
    url: str, *, told: Callable[[str], None] | None = None, wanted: Wanted | None = None
) -> list[str]:
    """Bring a database to the newest schema as its owner; returns the revisions that were run.

    Then its row-level security is made what is `wanted`, or else what TENANT_RLS says.
    """
    run = await migrations.upgrade(url, histories(), told=told)
    wanted = wanted or wanted_row_security()
    for table in await row_security.sync(url, wanted):
        if told is not None:
            told(f"row-level security {'on' if wanted.on else 'off'}: {table}")
    return run


async def statuses(url: str) -> list[Status]:
    return await migrations.statuses(url, histories())


async def disagreements(url: str) -> list[str]:
    """Where models and a migrated database differ, `history: difference` each; empty when they agree."""
    return [
        f"{history.name}: {difference}"
        for history in histories()
        for difference in await migrations.differences(url, history)
    ]


async def require_current(url: str) -> None:
    """Raise `ConfigurationError` when the schema is older than this program."""
    behind = [status for status in await statuses(url) if status.pending]
    if behind:
        listed = ", ".join(f"{status.history} ({len(status.pending)} to run)" for status in behind)
        raise ConfigurationError(
            f"The database's schema is older than this program: {listed}.\n"
            "Run `undercroft migrate upgrade`, or set MIGRATE_ON_START=true."
        )


def _has_own_history(module: Module) -> bool:
    return (module.folder / "migrations").is_dir()


def _tables_of(package: str) -> frozenset[str]:
    models = [mapper.class_ for mapper in SQLModel._sa_registry.mappers]
    return frozenset(str(model.__tablename__) for model in models if f"{model.__module__}.".startswith(package))
