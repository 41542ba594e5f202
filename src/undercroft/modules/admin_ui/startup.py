"""Puts `/admin` into the application of a surface that administrators reach."""

from fastapi import FastAPI

from undercroft.core.settings import load
from undercroft.modules.admin_ui.gate import Gate
from undercroft.modules.admin_ui.pages import routes
from undercroft.modules.admin_ui.settings import AdminUiSettings

SURFACES = frozenset({"all", "admin"})


async def start(app: FastAPI) -> None:
    if load(AdminUiSettings).admin_ui and app.state.surface in SURFACES:
        app.state.admin_gate = Gate(app)
        app.router.routes.extend(routes(app.state.admin_gate))


async def stop(app: FastAPI) -> None:
    gate = getattr(app.state, "admin_gate", None)
    if gate is not None:
        await gate.close()
        app.router.routes[:] = [
            route for route in app.router.routes if not getattr(route, "path", "").startswith("/admin")
        ]
