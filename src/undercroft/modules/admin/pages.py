"""Sign-in and sign-out pages of `/admin`. They start ordinary sessions with the same protections."""

from typing import Any, Unpack

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.core.errors import Unauthorized
from undercroft.core.http import Audit, declare
from undercroft.core.http.flash import see_other
from undercroft.core.http.route_info import InfoOptions
from undercroft.modules.admin.service import HOME, SIGN_IN, AdminGuard, safe_admin_path
from undercroft.modules.sessions import SessionService, clear_session_cookies, get_authenticator
from undercroft.modules.web import PasskeyForm, SecondFactorForm, SignInForm, SignInPages

SECOND_FACTOR = f"{SIGN_IN}/code"
PASSKEY_SIGN_IN = f"{SIGN_IN}/passkey"
PAGES = SignInPages(SIGN_IN, SECOND_FACTOR, PASSKEY_SIGN_IN, safe_admin_path, area="Administration")


def routes(guard: AdminGuard) -> list[BaseRoute]:
    return [
        _route("/admin", redirect_home),
        _route(SIGN_IN, sign_in_page),
        _route(SIGN_IN, sign_in, "POST", limit="sign_in", audit=SignInForm.audit),
        _route(SECOND_FACTOR, second_factor, "POST", limit="sign_in", audit=SecondFactorForm.audit),
        _route(SECOND_FACTOR, redirect_to_sign_in),
        _route(PASSKEY_SIGN_IN, sign_in_with_passkey, "POST", limit="sign_in", audit=PasskeyForm.audit),
        _route(PASSKEY_SIGN_IN, redirect_to_sign_in),
        _route("/admin/logout", sign_out, "POST", audit=Audit("session.revoked", none_when="there is no session")),
        declare(
            Mount("/admin", app=guard, name="admin"),
            audit=Audit("*", none_when="the form is invalid, or nothing changed"),
        ),
    ]


def _route(path: str, endpoint: Any, method: str = "GET", **options: Unpack[InfoOptions]) -> Route:
    return declare(Route(path, endpoint, methods=[method], include_in_schema=False), **options)


async def redirect_home(_request: Request) -> Response:
    return RedirectResponse(HOME, 308)


async def redirect_to_sign_in(_request: Request) -> Response:
    """Redirect a GET of a later sign-in page to the first one."""
    return PAGES.start_over()


async def sign_in_page(request: Request) -> Response:
    return PAGES.show(request, SignInForm(next_path=safe_admin_path(request.query_params.get("next", ""))))


async def sign_in(request: Request) -> Response:
    """Start a session, or show the MFA challenge. The guard checks whether the user is an administrator."""
    return await PAGES.sign_in(request, await SignInForm.read(request))


async def second_factor(request: Request) -> Response:
    return await PAGES.verify_second_factor(request, await SecondFactorForm.read(request))


async def sign_in_with_passkey(request: Request) -> Response:
    return await PAGES.sign_in_with_passkey(request, await PasskeyForm.read(request))


async def sign_out(request: Request) -> Response:
    response = see_other(SIGN_IN)
    try:
        principal = await get_authenticator().authenticate_page(request, impersonation=True)
    except Unauthorized:
        return response
    async with current_context().get(Database).session() as session:
        await SessionService(session).sign_out_browser(principal)
    clear_session_cookies(response)
    return response
