"""Form-based sign-in and sign-out, for modules that have pages.

A form cannot send the `X-CSRF-Token` header, so every unsafe request must be same-site according to `Sec-Fetch-Site` or
`Origin`; a request without both is rejected.
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
    """Start a cookie session. Raises `CsrfFailed`, the captcha errors, and the errors of `SignIn.sign_in`."""
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
    """Return the auth services and the client of a same-site request. Raises `CsrfFailed`."""
    require_same_site(request)
    return get_services(request), await get_client(request)


async def sign_out(request: Request, response: Response) -> None:
    """Revoke the session of the cookie and delete the cookie. Raises `CsrfFailed`, `Unauthorized`."""
    auth_services = get_services(request)
    principal = await auth_services.authenticator.authenticate_page(request)
    async with auth_services.database.session() as session:
        await end_session(session, principal, principal.session_id)
    clear_session_cookie(response)


async def authenticate(request: Request) -> Principal:
    """Return the principal of the cookie. Raises `Unauthorized`, and `CsrfFailed` for unsafe cross-site requests."""
    return await get_services(request).authenticator.authenticate_page(request)


async def get_client(request: Request) -> Client:
    return await current_client(request)


def get_services(request: Request) -> AuthServices:
    return cast(AuthServices, request.app.state.auth_services)
