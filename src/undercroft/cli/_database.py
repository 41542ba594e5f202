"""Access to the configured database for commands."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

import typer

if TYPE_CHECKING:
    from undercroft.core.db import Database

R = TypeVar("R")


OWNER_STATEMENT_TIMEOUT = 3600
"""Statement timeout in seconds for commands that run as the owner of the tables."""


def with_database(work: "Callable[[Database], Awaitable[R]]", *, as_owner: bool = False, outdated: bool = False) -> R:
    """Run `work` on the database, as the owner of the tables if `as_owner` is set, and close the database.

    `outdated` also accepts a database whose migrations are pending.

    Raises `ConfigurationError` when no database is configured, it refuses the connection or its schema is outdated.
    """
    return asyncio.run(_run(work, as_owner, outdated))


async def _run(work: "Callable[[Database], Awaitable[R]]", as_owner: bool, outdated: bool) -> R:
    from undercroft.app.migrations import require_current
    from undercroft.app.registry import get_registry
    from undercroft.app.schema import require_row_security
    from undercroft.core.audit import Actor, ActorKind, set_current_actor
    from undercroft.core.db import Database
    from undercroft.core.db.connect import detect_pooler

    settings = await detect_pooler()
    if as_owner:
        patient = settings.model_copy(update={"db_statement_timeout": OWNER_STATEMENT_TIMEOUT})
        database = Database(patient, settings.migration_url)
    else:
        database = Database(settings)
    get_registry().load()
    if not outdated:
        for warning in await require_current(settings.direct_url):
            typer.echo(f"Warning: {warning}", err=True)
        await require_row_security()
    set_current_actor(Actor(ActorKind.COMMAND))
    try:
        return await work(database)
    finally:
        await database.close()


def migration_url() -> str:
    """The URL of the owner of the tables. Raises `ConfigurationError` when no database is configured."""
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.db.settings import require_url
    from undercroft.core.settings import load

    return require_url(load(DatabaseSettings).migration_url)
