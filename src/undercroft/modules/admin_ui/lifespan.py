"""Adds `/admin` to applications that serve the admin surface."""

from fastapi import FastAPI

from undercroft.core.settings import load
from undercroft.modules.admin_ui.guard import AdminGuard
from undercroft.modules.admin_ui.pages import routes
from undercroft.modules.admin_ui.settings import AdminUiSettings

SURFACES = frozenset({"all", "admin"})


async def start(app: FastAPI) -> None:
    if load(AdminUiSettings).admin_ui and app.state.surface in SURFACES:
        app.state.admin_guard = AdminGuard(app)
        app.router.routes.extend(routes(app.state.admin_guard))


async def stop(app: FastAPI) -> None:
    guard = getattr(app.state, "admin_guard", None)
    if guard is not None:
        await guard.close()
        app.router.routes[:] = [
            route for route in app.router.routes if not getattr(route, "path", "").startswith("/admin")
        ]
