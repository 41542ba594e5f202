"""`undercroft shell`: an interactive Python prompt with the application loaded."""

import asyncio
import code
from collections.abc import Coroutine
from contextvars import copy_context
from typing import Any

ATTACHES = True

BANNER = """\
Undercroft shell. Available: database, load(SettingsClass), all models by name, and run(coroutine).
  run(count(User))   or   async def f(): async with database.read_session() as s: ... ; run(f())"""


def shell() -> None:
    """Open a Python prompt with the database, the settings and all models."""
    with asyncio.Runner() as runner:
        code.interact(banner=BANNER, local=_namespace(runner), exitmsg="")


def _namespace(runner: asyncio.Runner) -> dict[str, Any]:
    from sqlmodel import SQLModel, func, select

    from undercroft.app.registry import get_registry
    from undercroft.core.audit import Actor, ActorKind, set_current_actor
    from undercroft.core.db import Database, all_tenants, tenant
    from undercroft.core.db.connect import detect_pooler
    from undercroft.core.model_classes import model_classes
    from undercroft.core.settings import load

    get_registry().load()
    set_current_actor(Actor(ActorKind.COMMAND))
    database = Database(runner.run(detect_pooler()))

    def run(work: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine in the context of the prompt, so that `with tenant(…):` applies, and return its result."""
        return runner.run(work, context=copy_context())

    async def count(model: type[SQLModel]) -> int:
        with all_tenants():
            return await _count(model)

    async def _count(model: type[SQLModel]) -> int:
        async with database.read_session() as session:
            return int(await session.scalar(select(func.count()).select_from(model)))

    models = {model.__name__: model for model in model_classes()}
    teams = {"tenant": tenant, "all_tenants": all_tenants}
    return {**models, **teams, "database": database, "load": load, "run": run, "select": select, "count": count}
