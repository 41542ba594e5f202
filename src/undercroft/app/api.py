"""The ASGI application of a surface: `public` (with auth and app), `admin`, or `all`."""

import gc
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, TypeAlias

from fastapi import APIRouter, FastAPI

from undercroft import __version__
from undercroft.app.discovery import check_settings, load_submodules, modules, prepare
from undercroft.app.route_checks import check_routes, find_routers
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.connect import detect_pooler, wait_for_database
from undercroft.core.db.health import database_component
from undercroft.core.db.settings import require_url
from undercroft.core.health import Component, Health
from undercroft.core.http import Surface
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load
from undercroft.core.telemetry import logs
from undercroft.import_time import gc_paused

if TYPE_CHECKING:
    from undercroft.core.admin import AdminView, Chart

AdminComponents: TypeAlias = "tuple[list[type[AdminView]], list[Chart], list[Path]]"

SERVED_SURFACES: dict[str, frozenset[Surface]] = {
    "all": frozenset(Surface),
    "public": frozenset(Surface) - {Surface.ADMIN},
    "admin": frozenset({Surface.ADMIN, Surface.PUBLIC}),
}


def create_app(surface: str = "all", *, database: Database | None = None) -> Api:
    """Return the application of one surface for an ASGI server.

    It opens and closes its own database unless one is passed, which the caller closes. Raises `ConfigurationError` for
    invalid settings.
    """
    logs.configure()
    check_settings(load(CoreSettings).environment)
    app = _build_app(surface)
    app.state.database = database
    return app


def offline_app() -> Api:
    """Return the complete application for inspection, without checking the settings. Do not serve it."""
    return _build_app("all")


def _build_app(surface: str) -> Api:
    with gc_paused():
        prepare()
        app = Api(version=__version__, lifespan=_lifespan)
        app.state.surface = surface
        app.state.health = Health()
        app.state.load_admin_components = load_admin_components
        app.add(_load_routers(SERVED_SURFACES[surface]))
        check_routes(app.routes, complete=load(CoreSettings).is_development)
    return app


def load_admin_components() -> AdminComponents:
    """Return the views, charts and template folders of all modules for `/admin`. Imports them and SQLAdmin."""
    from undercroft.core.admin import AdminView, Chart

    views: list[type[AdminView]] = []
    charts: list[Chart] = []
    for part in load_submodules("admin"):
        views += [each for each in vars(part).values() if _is_view_of(part, each)]
        charts += getattr(part, "CHARTS", ())
    folders = [module.folder / "templates" / "admin" for module in modules()]
    return views, charts, [folder for folder in folders if folder.is_dir()]


def _is_view_of(part: ModuleType, value: object) -> bool:
    from undercroft.core.admin import AdminView

    return isinstance(value, type) and issubclass(value, AdminView) and value.__module__ == part.__name__


def _load_routers(served: frozenset[Surface]) -> Iterator[APIRouter]:
    for name in ("routes", "pages"):
        for part in (module.load_submodule(name) for module in modules() if module.is_enabled):
            if part is not None:
                yield from (router for router in find_routers(part) if router.surface in served)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    app.middleware_stack = app.build_middleware_stack()
    async with AsyncExitStack() as stack:
        if app.state.database is None:
            app.state.database = await _open_database(app.state.surface)
            stack.push_async_callback(app.state.database.close)
        stack.push_async_callback(app.state.cache.close)
        app.state.health.add(database_component(app.state.database))
        app.state.cache.warn_if_unconfigured()
        if app.state.cache:
            app.state.health.add(Component("redis", app.state.cache.ping))
            with suppress(Exception):
                await app.state.cache.ping()
        for module in modules():
            part = module.load_submodule("lifespan")
            if part is not None:
                await part.start(app)
                if hasattr(part, "stop"):
                    stack.push_async_callback(part.stop, app)
        _tune_gc()
        yield


async def _open_database(surface: str) -> Database:
    settings = load(DatabaseSettings)
    await wait_for_database(require_url(settings.url), settings.db_start_timeout)
    settings = await detect_pooler()
    return Database(settings, settings.admin_url if surface == "admin" else settings.url)


def _tune_gc() -> None:
    """Exclude the objects created at startup from garbage collection, and make collections less frequent."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    gc.enable()
