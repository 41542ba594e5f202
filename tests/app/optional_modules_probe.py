"""Starts the application without some modules, in a forked process for each run, and prints what it has of them.

Reads one JSON line per run: the disabled modules and the URL of an empty database, or none to leave out migrations and
startup. The parent process has imported libraries and no module, so that the runs show what they import.
"""

import asyncio
import json
import os
import sys
from typing import Any

import alembic.command  # noqa: F401 - saves each run the import
import asyncpg
from sqlmodel import SQLModel
from starlette.routing import Route

from undercroft.app.api import create_app
from undercroft.app.migrations import upgrade_all
from undercroft.app.registry import Registry, get_registry, resource_routers
from undercroft.core.context import use_context
from undercroft.core.http.application import Api
from undercroft.core.model_classes import model_classes
from undercroft.core.settings import env_name
from undercroft.testing.lifespan import run_lifespan

SETTINGS = {
    "ENVIRONMENT": "test",
    "SECRET_KEY": "kJ8v2Qz7Xw1Rb5Nt9Ys3Lm6Pc4Hd0Gf8Ea",
    "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/none",
}


def probe(disabled: list[str], url: str) -> dict[str, Any]:
    os.environ.update(SETTINGS | {"DISABLED_MODULES": ",".join(disabled)} | ({"DATABASE_URL": url} if url else {}))
    app = create_app()
    with use_context(app.context):
        document = json.dumps(app.openapi())
        found = get_registry()
        _ = found.tasks, found.rate_limits, found.statistics, found.adapters, found.assets, found.email_templates
        for name in ("seeds", "testing", "lifespan", *(["admin"] if "admin" not in disabled else [])):
            for _ in found.parts(name):
                pass
        _ = SQLModel.metadata.sorted_tables  # raises an error if a foreign key refers to a table of a disabled module
        started = asyncio.run(start(app, url)) if url else {}
    prefixes = tuple(f"undercroft.modules.{name}" for name in disabled)
    return {
        "imported": [name for name in sys.modules if f"{name}.".startswith(tuple(f"{each}." for each in prefixes))],
        "settings": [each.__module__ for each in found.settings_classes if each.__module__.startswith(prefixes)],
        "operations": document.count('"operationId"'),
        "declared": list_declarations(app, found),
        **started,
    }


def list_declarations(app: Api, found: Registry) -> dict[str, dict[str, str]]:
    """Every route, table, task and setting of the application, each with the Python module that declares it."""
    routes = (route for route in app.router.routes if isinstance(route, Route))
    pairs = (pair for module in found.modules for pair in resource_routers(module).items())
    resources = {route.endpoint: each for each, router in pairs for route in router.routes if isinstance(route, Route)}
    settings = ((each, name) for each in found.settings_classes for name in each.model_fields)
    return {
        "routes": {
            f"{_methods(each)} {each.path}": _module(resources.get(each.endpoint, each.endpoint)) for each in routes
        },
        "tables": {str(each.__tablename__): _module(each) for each in model_classes()},
        "tasks": {name: _module(each.function) for name, each in found.tasks.by_name.items()},
        "settings": {env_name(each, name): _module(each) for each, name in settings},
    }


def _methods(route: Route) -> str:
    return ",".join(sorted(route.methods or ()))


def _module(declared: Any) -> str:
    return str(getattr(declared, "__module__", ""))


async def start(app: Api, url: str) -> dict[str, Any]:
    from undercroft.testing.users import make_client

    await upgrade_all(url)
    connection = await asyncpg.connect(url)
    tables = [row[0] for row in await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")]
    await connection.close()
    async with run_lifespan(app), make_client(app) as client:
        live, ready = await client.get("/health"), await client.get("/api/v1/public/health/ready")
    return {"tables": tables, "live": live.status_code, "ready": ready.json()["status"]}


def fork(request: dict[str, Any]) -> None:
    child = os.fork()
    if child == 0:
        code = 1
        try:
            sys.stdout.write(json.dumps(probe(**request)) + "\n")
            sys.stdout.flush()
            code = 0
        finally:
            sys.stderr.flush()
            os._exit(code)
    if os.waitpid(child, 0)[1] != 0:
        sys.stdout.write("{}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    for line in sys.stdin:
        fork(json.loads(line))
