"""Access guard of `/admin`: it admits only administrators with a cookie session, and other clients see no views.

SQLAdmin and the modules' views are imported in a thread at the first request of an administrator. A process that never
serves one does not import them, and the import does not block other requests.
"""

import asyncio
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, cast

from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.routing import BaseRoute
from starlette.types import Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars

from undercroft.core.audit import set_current_actor
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.auth.authorization import current_authorization
from undercroft.core.auth.step_up import require_admin_mfa
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.tenancy import ALL_TENANTS, set_current_tenant
from undercroft.core.errors import Forbidden, Unauthorized
from undercroft.core.http.pages import build_csp
from undercroft.core.http.same_site import SAFE_METHODS, same_site
from undercroft.core.settings import load
from undercroft.modules.admin_ui.redirects import sign_in_url
from undercroft.modules.auth import browser

if TYPE_CHECKING:
    from undercroft.core.admin.site import AdminSite

POOL_SIZE = 4
POLICY = build_csp(script_src="'self'", font_src="'self'", connect_src="'self'")
HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"cache-control", b"no-store"),
    (b"referrer-policy", b"same-origin"),
]
ASSET_HEADERS = [(b"cache-control", b"public, max-age=86400"), (b"content-security-policy", b"default-src 'none'")]


class AdministratorsOnly(Forbidden):
    code = "ADMINISTRATORS_ONLY"
    message = "Administrator access is required."


class CrossSite(Forbidden):
    code = "CSRF_FAILED"
    message = "Cross-site request blocked. Submit the form on this site."


class AdminGuard:
    """ASGI application in front of the `AdminSite`, which is created at its first use."""

    def __init__(self, app: FastAPI) -> None:
        self._app = app
        self._site: AdminSite | None = None
        self._site_lock = asyncio.Lock()
        self._own_database: Database | None = None

    @property
    def routes(self) -> Sequence[BaseRoute]:
        """Routes of the site, for `url_for`."""
        return self._site.routes if self._site is not None else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request. Raises `AdministratorsOnly`, `CrossSite`, and what `require_admin_mfa` raises."""
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1000})
            return
        request = Request(scope, receive)
        if scope["path"].startswith("/admin/statics/"):
            await (await self._get_site()).admin.router(scope, receive, _with_headers(ASSET_HEADERS, send))
            return
        if request.method not in SAFE_METHODS and not same_site(request):
            raise CrossSite
        try:
            principal = await self.principal(request)
        except Unauthorized:
            await RedirectResponse(sign_in_url(request), 303, {"Cache-Control": "no-store"})(scope, receive, send)
            return
        scope["state"]["principal"] = principal
        set_current_tenant(ALL_TENANTS)
        await (await self._get_site()).admin.router(scope, receive, _with_headers(HEADERS, send))

    async def principal(self, request: Request) -> Principal:
        """Authenticate the administrator. Raises `Unauthorized`, `AdministratorsOnly`, and as `require_admin_mfa`."""
        principal = await browser.authenticate(request)
        set_current_actor(principal.actor)
        bind_contextvars(user_id=principal.user_id, team_id=principal.team_id)
        _require_administrator(principal)
        if (authorization := current_authorization()) is not None:
            authorization.check = _require_administrator
        return principal

    async def close(self) -> None:
        if self._own_database is not None:
            await self._own_database.close()

    async def _get_site(self) -> "AdminSite":
        async with self._site_lock:
            if self._site is None:
                self._site = await asyncio.to_thread(self._create_site)
        return self._site

    def _create_site(self) -> "AdminSite":
        from undercroft.core.admin.site import AdminSite

        views, charts, templates = self._app.state.load_admin_components()
        return AdminSite(self._database(), views, charts, templates)

    def _database(self) -> Database:
        """Return a database with the admin role if one is configured. The surface `admin` uses that role already."""
        settings = load(DatabaseSettings)
        if self._app.state.surface == "admin" or settings.admin_url == settings.url:
            return cast(Database, self._app.state.database)
        small = settings.model_copy(update={"db_pool_size": POOL_SIZE, "db_read_pool_size": POOL_SIZE})
        self._own_database = Database(small, settings.admin_url, name="admin")
        return self._own_database


def _require_administrator(principal: Principal) -> None:
    if not principal.role.includes(PlatformRole.ADMIN):
        raise AdministratorsOnly
    require_admin_mfa(principal)


def _with_headers(headers: list[tuple[bytes, bytes]], send: Send) -> Send:
    names = {name for name, _ in headers}

    async def send_with(message: Message) -> None:
        if message["type"] == "http.response.start":
            others: Any = [each for each in message.get("headers", ()) if each[0].lower() not in names]
            message["headers"] = [*others, *headers]
        await send(message)

    return send_with
