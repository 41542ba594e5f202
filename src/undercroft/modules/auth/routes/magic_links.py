"""Routes for sign-in with an emailed link."""

from fastapi import Request, Response

from undercroft.core.http import Router
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt, returns_secret
from undercroft.core.http.limits import limit
from undercroft.modules.auth import magic_links as service
from undercroft.modules.auth.captcha import CAPTCHA_ERRORS, require_captcha
from undercroft.modules.auth.client import CurrentClient
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.errors import CsrfFailed, LinkInvalid, LinkOfAnotherDevice, MagicLinksOff, MfaRequired
from undercroft.modules.auth.external import LocalAccountsOff
from undercroft.modules.auth.responses import (
    LINK_SENT_MESSAGE,
    SIGN_IN,
    build_sign_in_response,
    refuse_cross_site_cookie,
)
from undercroft.modules.auth.schemas import Accepted, CookieSession, EmailOnly, MagicLinkVerify, TokenPair
from undercroft.modules.auth.services import AuthServicesDep

magic_links = Router(surface="auth", prefix="/magic-link", tag=SIGN_IN)


@magic_links.post(
    "",
    status_code=202,
    response_model=Accepted,
    summary="Request a sign-in link",
    responses=responses(MagicLinksOff, LocalAccountsOff, *CAPTCHA_ERRORS),
)
@limit("sign_in_request")
@idempotency_exempt("The request only sends an email.")
async def request_magic_link(
    body: EmailOnly, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> Accepted:
    """Sends a sign-in link. The response is the same whether or not the address has an account.

    A cookie binds the link to this browser. Another browser must confirm the sign-in.
    """
    service.require_enabled()
    await require_captcha(request, body.captcha_token)
    await service.request_link(auth_services.database, email=body.email, client=client)
    set_device_cookie(response, client.device)
    return Accepted(message=LINK_SENT_MESSAGE)


@magic_links.post(
    "/verify",
    response_model=TokenPair | CookieSession,
    summary="Sign in with an emailed link",
    responses=responses(LinkInvalid, LinkOfAnotherDevice, MfaRequired, MagicLinksOff, LocalAccountsOff, CsrfFailed),
)
@limit("sign_in")
@returns_secret
async def verify_magic_link(
    body: MagicLinkVerify, request: Request, response: Response, client: CurrentClient, auth_services: AuthServicesDep
) -> TokenPair | CookieSession:
    """Signs in with the token from an emailed link, which works once.

    Returns 401 `MFA_REQUIRED` if the user has a second factor. With `"session": "cookie"`, a browser that did not
    request the link gets 403 `LINK_OF_ANOTHER_DEVICE` with the account's address in `details.email`: show the address
    to the user and, when the user confirms it, send it as `email`.
    """
    refuse_cross_site_cookie(request, body.session)
    user, started = await service.sign_in(
        auth_services.database, token=body.token.get_secret_value(), client=client, kind=body.session, email=body.email
    )
    return await build_sign_in_response(auth_services, response, user, started, body.session)
