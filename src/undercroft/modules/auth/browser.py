"""Signing a browser in and out by forms, for modules that have pages of their own.

A form has no place for the `X-CSRF-Token` header, so every unsafe request must come from our own site, by what the
browser says of it (`Sec-Fetch-Site`, `Origin`); one that says neither is refused.
"""

from typing import cast

from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.auth import Principal
from undercroft.modules.auth.answers import remember
from undercroft.modules.auth.client import Client, current_client
from undercroft.modules.auth.cookies import clear_session_cookie, require_same_site
from undercroft.modules.auth.human import require_human_at_form
from undercroft.modules.auth.identity import Identity
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.sessions import Started, end_session

__all__ = ["asked_by", "client_of", "identity_of", "principal_of", "remember", "sign_in", "sign_out"]


async def sign_in(request: Request, *, email: str, password: str) -> Started:
    """Begin a session with a cookie. Raises `CsrfFailed`, what a captcha raises, and what `SignIn.sign_in` raises."""
    identity, client = await asked_by(request)
    await require_human_at_form(request)
    _, started = await identity.sign_in.sign_in(
        email=email,
        password=password,
        client=client,
        kind=SessionKind.COOKIE,
    )
    return started


async def asked_by(request: Request) -> tuple[Identity, Client]:
    """Who signs people in, and who asks, by a form of our own. Raises `CsrfFailed`."""
    require_same_site(request)
    return identity_of(request), await client_of(request)


async def sign_out(request: Request, response: Response) -> None:
    """End the cookie's session, and the cookie. Raises `CsrfFailed`, `Unauthorized`."""
    identity = identity_of(request)
    principal = await identity.authenticator.authenticate_page(request)
    async with identity.database.session() as session:
        await end_session(session, principal, principal.session_id)
    clear_session_cookie(response)


async def principal_of(request: Request) -> Principal:
    """Whose cookie this is. Raises `Unauthorized`; `CsrfFailed` unless an unsafe request comes from our own site."""
    return await identity_of(request).authenticator.authenticate_page(request)


async def client_of(request: Request) -> Client:
    return await current_client(request)


def identity_of(request: Request) -> Identity:
    return cast(Identity, request.app.state.identity)
