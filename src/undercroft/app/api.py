"""One ASGI application per surface: `public` (with auth and app), `admin`, or `all` of it."""

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
    """The application of one surface, ready for an ASGI server.

    It opens and closes its own connections unless a database is given, which stays its giver's. Raises
    `ConfigurationError` for unfit settings.
    """
    logs.configure()
    check_settings(load(CoreSettings).environment)
    app = _build_app(surface)
    app.state.database = database
    return app


def offline_app() -> Api:
    """The whole application to be looked at, not served: weak settings do not matter."""
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
    """What modules add to `/admin`: views, charts and folders of templates. Imports them, and SQLAdmin with them."""
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
        for part in (module.load_submodule(name) for module in modules() if module.enabled):
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
    """Leave what lives for ever out of the garbage collector's rounds, and make those rarer."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 50, 100)
    gc.enable()
