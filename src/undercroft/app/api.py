"""The ASGI application of a surface: `public` (with auth and app), `admin`, or `all`."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext, suppress
from typing import Any

from fastapi import FastAPI
from starlette.routing import BaseRoute

from undercroft import __version__
from undercroft.app import documentation
from undercroft.app.configuration import check_settings, warn_of_deprecations
from undercroft.app.discovery import LoadedModule
from undercroft.app.http_hooks import add_exception_handlers, add_middleware
from undercroft.app.import_time import gc_paused
from undercroft.app.registry import SkippedExtensions, get_registry, module_routers, mounted_routes, skip_if_broken
from undercroft.app.route_checks import check_paths, check_routes
from undercroft.core.cache import Cache
from undercroft.core.context import AppContext, current_context, use_context
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.connect import detect_pooler, wait_for_database
from undercroft.core.db.health import database_component
from undercroft.core.db.settings import require_url
from undercroft.core.health import Component, ComponentDown, Health
from undercroft.core.http import Router, Surface
from undercroft.core.http.application import Api
from undercroft.core.live.process import LiveValues
from undercroft.core.runtime_settings import watch
from undercroft.core.settings import CoreSettings, load, read_environ
from undercroft.core.telemetry import logs

SERVED_SURFACES: dict[str, frozenset[Surface]] = {
    "all": frozenset(Surface),
    "public": frozenset(Surface) - {Surface.ADMIN},
    "admin": frozenset({Surface.ADMIN, Surface.PUBLIC}),
}


def create_app(
    surface: str = "all",
    *,
    environ: Mapping[str, str] | None = None,
    context: AppContext | None = None,
    database: Database | None = None,
) -> Api:
    """Return the application of one surface for an ASGI server.

    `environ` contains its environment variables, by default those of this process and of `.env` at this moment; a
    `context` that is passed instead has its own. The application opens and closes its own database unless one is
    passed, which the caller closes. Raises `ConfigurationError` for invalid settings.
    """
    if context is None:
        context = AppContext(read_environ() if environ is None else environ)
    with use_context(context):
        logs.configure()
        check_settings(load(CoreSettings).environment)
        warn_of_deprecations()
        if database is not None:
            context.add(Database, database)
        return _build_app(surface, context)


def offline_app() -> Api:
    """Return the complete application for inspection, without checking the settings. Do not serve it."""
    context = AppContext()
    with use_context(context):
        app = _build_app("all", context)
        for module in get_registry().modules:
            added = getattr(module.load_submodule("lifespan"), "added_routes", None)
            app.router.routes.extend(added(app) if added and module.is_enabled else ())
    return app


def _build_app(surface: str, context: AppContext) -> Api:
    with gc_paused():
        registry = get_registry()
        registry.load()
        app = Api(version=__version__, lifespan=_lifespan, context=context, surface=surface)
        watch(app.apply_settings)
        context.add(Health, Health())
        app.router.routes.extend(documentation.routes())
        modules = [module for module in registry.modules if not module.is_extension]
        for name in ("routes", "pages"):
            for module in modules:
                app.add(_served_routers(module, surface, name))
        for module in modules:
            add_exception_handlers(app, module)
            add_middleware(app, module)
        built_in = list(app.routes)
        check_routes(built_in, complete=load(CoreSettings).is_development)
        for module in registry.extensions:
            with skip_if_broken(module.name):
                _add_extension_routes(app, module, built_in)
    return app


def _served_routers(module: LoadedModule, surface: str, *names: str) -> list[Router]:
    """The routers in these files of an enabled module that an application of this surface has."""
    routers = [router for name in names for router in module_routers(module, name)] if module.is_enabled else []
    return [router for router in routers if router.surface in SERVED_SURFACES[surface]]


def _add_extension_routes(app: Api, module: LoadedModule, built_in: list[BaseRoute]) -> None:
    add_exception_handlers(app, module)
    add_middleware(app, module)
    if module.is_enabled:
        check_paths(built_in, mounted_routes(module))
        app.add(_served_routers(module, app.surface, "routes", "pages"), mount=module.mount)


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    """Yields the state that the lifespans of routers yield, for `request.state`."""
    assert isinstance(app, Api)
    stack = AsyncExitStack()
    try:
        with use_context(app.context):
            state = await _start(app, stack)
        yield state
    finally:
        # Not one block with the start: a server may run both in different tasks.
        with use_context(app.context):
            await stack.aclose()


async def _start(app: Api, stack: AsyncExitStack) -> dict[str, Any]:
    """Open the database and start the modules. `stack` stops them in the reverse order."""
    context, health, cache = app.context, app.context.get(Health), app.context.get(Cache)
    state: dict[str, Any] = {}
    app.middleware_stack = None  # a lifespan may add exception handlers
    if context.find(Database) is None:
        stack.callback(context.remove, Database)
        stack.push_async_callback(context.add(Database, await _open_database(app.surface)).close)
    stack.push_async_callback(cache.close)
    health.add(database_component(context.get(Database)))
    cache.warn_if_unconfigured()
    await _start_live_values(context, stack)
    if cache:
        health.add(Component("redis", cache.ping))
        with suppress(Exception):
            await cache.ping()
    checked = set(map(id, app.routes))
    for module in get_registry().modules:
        with skip_if_broken(module.name) if module.is_extension else nullcontext():
            state |= await _start_module(module, app, stack)
    added = [route for route in app.routes if id(route) not in checked]
    check_routes(added, complete=load(CoreSettings).is_development)
    if context.find(SkippedExtensions):
        health.add(Component("extensions", _check_extensions))
    app.middleware_stack = app.build_middleware_stack()
    return state


async def _start_live_values(context: AppContext, stack: AsyncExitStack) -> None:
    """Read the live values before the modules start, which may use them."""
    values = context.add(LiveValues, LiveValues(context.get(Database), get_registry().live_values))
    stack.callback(context.remove, LiveValues)
    stack.push_async_callback(values.stop)
    await values.start(load(DatabaseSettings).db_start_timeout)
    context.get(Health).add(Component("live_values", values.check))


async def _start_module(module: LoadedModule, app: Api, stack: AsyncExitStack) -> dict[str, Any]:
    """Run `start` of the module and the lifespans of its routers; returns the state that they yield."""
    part = module.load_submodule("lifespan")
    if part is not None:
        await part.start(app.context)
        if hasattr(part, "stop"):
            stack.push_async_callback(part.stop, app.context)
    state: dict[str, Any] = {}
    for router in _served_routers(module, app.surface, "routes", "pages"):
        started: Mapping[str, Any] | None = await stack.enter_async_context(router.lifespan_context(app))
        state |= started or {}
    return state


async def _check_extensions() -> None:
    """Raise `ComponentDown` with the names of the extensions that could not be loaded or started."""
    if skipped := current_context().find(SkippedExtensions):
        raise ComponentDown({"skipped": sorted(skipped)})


async def _open_database(surface: str) -> Database:
    settings = load(DatabaseSettings)
    await wait_for_database(require_url(settings.url), settings.db_start_timeout)
    settings = await detect_pooler()
    return Database(settings, settings.admin_url if surface == "admin" else settings.url)
