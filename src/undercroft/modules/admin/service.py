"""Access guard of `/admin`: it admits only administrators with a cookie session, and other clients see no views.

SQLAdmin and the modules' views are imported in a thread at the first request of an administrator. A process that never
serves one does not import them, and the import does not block other requests.
"""

import asyncio
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote, urlencode

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
from undercroft.core.errors import Unauthorized
from undercroft.core.http import build_csp
from undercroft.core.http.application import Api
from undercroft.core.http.same_site import SAFE_METHODS, is_local_path, same_site
from undercroft.core.modules import AdminComponents
from undercroft.core.settings import load
from undercroft.modules.admin.errors import AdministratorsOnly, CrossSite
from undercroft.modules.sessions import get_authenticator

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


class AdminGuard:
    """ASGI application in front of the `AdminSite`, which is created at its first use."""

    access = "administrators, in a browser"
    """What a caller needs, for `undercroft explain`."""

    def __init__(self, app: Api) -> None:
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
        principal = await get_authenticator().authenticate_page(request)
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

        declared = self._app.context.get(AdminComponents)
        return AdminSite(self._database(), declared.views, declared.charts, declared.templates, sign_in_path=SIGN_IN)

    def _database(self) -> Database:
        """Return a database with the admin role if one is configured. The surface `admin` uses that role already."""
        settings = load(DatabaseSettings)
        if self._app.surface == "admin" or settings.admin_url == settings.url:
            return self._app.context.get(Database)
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


HOME = "/admin/"
SIGN_IN = "/admin/login"
_VIEW_PATH = re.compile(
    r"/admin/[\w-]+/(list|create|(details|edit)/[^/\\%.\x00-\x1f\x7f][^/\\%\x00-\x1f\x7f]*)", re.ASCII
)


def safe_admin_path(next_path: str) -> str:
    """Return the path if it is a page of `/admin` that displays data, else the path of the dashboard."""
    path = unquote(next_path.partition("?")[0])
    return next_path if is_local_path(next_path) and "#" not in next_path and _VIEW_PATH.fullmatch(path) else HOME


def sign_in_url(request: Request) -> str:
    """Return the URL of the sign-in page, with the requested page as `next`."""
    next_path = _requested_path(request) if request.method == "GET" else HOME
    return SIGN_IN if next_path == HOME else f"{SIGN_IN}?{urlencode({'next': next_path})}"


def _requested_path(request: Request) -> str:
    query = request.scope["query_string"].decode("latin-1")
    path = quote(request.scope["path"], safe="/:;,=@~")
    return safe_admin_path(f"{path}?{query}" if query else path)
