"""Signing a browser in and out by forms, for modules that have pages of their own.

A form has no place for the `X-CSRF-Token` header, so every unsafe request must come from our own site, by what the
browser says of it (`Sec-Fetch-Site`, `Origin`); one that says neither is refused.
"""

from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.auth import Principal
from undercroft.modules.auth.captcha import require_form_captcha
from undercroft.modules.auth.client import Client, current_client
from undercroft.modules.auth.cookies import clear_session_cookie, require_same_site
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.responses import set_sign_in_cookies
from undercroft.modules.auth.services import AuthServices
from undercroft.modules.auth.sessions import StartedSession, end_session

__all__ = [
    "authenticate",
    "get_client",
    "get_services",
    "get_services_and_client",
    "set_sign_in_cookies",
    "sign_in",
    "sign_out",
]


async def sign_in(request: Request, *, email: str, password: str) -> StartedSession:
    """Begin a session with a cookie. Raises `CsrfFailed`, what a captcha raises, and what `SignIn.sign_in` raises."""
    auth_services, client = await get_services_and_client(request)
    await require_form_captcha(request)
    _, started = await auth_services.sign_in.sign_in(
        email=email,
        password=password,
        client=client,
        kind=SessionKind.COOKIE,
    )
    return started


async def get_services_and_client(request: Request) -> tuple[AuthServices, Client]:
    """Who signs people in, and who asks, by a form of our own. Raises `CsrfFailed`."""
    require_same_site(request)
    return get_services(request), await get_client(request)


async def sign_out(request: Request, response: Response) -> None:
    """End the cookie's session, and the cookie. Raises `CsrfFailed`, `Unauthorized`."""
    auth_services = get_services(request)
    principal = await auth_services.authenticator.authenticate_page(request)
    async with auth_services.database.session() as session:
        await end_session(session, principal, principal.session_id)
    clear_session_cookie(response)


async def authenticate(request: Request) -> Principal:
    """Whose cookie this is. Raises `Unauthorized`; `CsrfFailed` unless an unsafe request comes from our own site."""
    return await get_services(request).authenticator.authenticate_page(request)


async def get_client(request: Request) -> Client:
    return await current_client(request)


def get_services(request: Request) -> AuthServices:
    return cast(AuthServices, request.app.state.auth_services)
