"""Adds `/admin` to applications that serve the admin surface."""

import structlog
from starlette.routing import BaseRoute

from undercroft.core.context import AppContext
from undercroft.core.http.application import Api
from undercroft.core.settings import load
from undercroft.modules.admin.pages import routes
from undercroft.modules.admin.service import AdminGuard
from undercroft.modules.admin.settings import AdminSettings

log = structlog.get_logger("undercroft.application")

SURFACES = frozenset({"all", "admin"})


def added_routes(app: Api) -> list[BaseRoute]:
    """The routes that `start` adds; none if the application does not serve `/admin`."""
    if app.surface not in SURFACES or not load(AdminSettings).is_served:
        return []
    return routes(app.context.add(AdminGuard, AdminGuard(app)))


async def start(context: AppContext) -> None:
    app = context.get(Api)
    added = added_routes(app)
    app.router.routes.extend(added)
    if not added and app.surface in SURFACES and load(AdminSettings).admin_ui is None:
        log.info("admin_ui.not_installed", hint="Install it with: pip install 'undercroft[admin]'")


async def stop(context: AppContext) -> None:
    app, guard = context.get(Api), context.find(AdminGuard)
    if guard is not None:
        await guard.close()
        app.router.routes[:] = [
            route for route in app.router.routes if not getattr(route, "path", "").startswith("/admin")
        ]
