"""Signing in by a mailed link."""

from fastapi import Request, Response

from undercroft.core.auth import Router
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import answers_secret, not_idempotent
from undercroft.core.http.limits import limit
from undercroft.modules.auth import magic_links as service
from undercroft.modules.auth.answers import SENT, SIGN_IN, require_own_page, signed_in
from undercroft.modules.auth.client import CurrentClient
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.errors import CsrfFailed, LinkInvalid, LinkOfAnotherDevice, MagicLinksOff, MfaRequired
from undercroft.modules.auth.external import LocalAccountsOff
from undercroft.modules.auth.human import CAPTCHA, require_human
from undercroft.modules.auth.identity import IdentityDep
from undercroft.modules.auth.schemas import Accepted, CookieSession, EmailOnly, MagicLinkVerify, TokenPair

magic_links = Router(surface="auth", prefix="/magic-link", tag=SIGN_IN)


@magic_links.post(
    "",
    status_code=202,
    response_model=Accepted,
    summary="Ask for a link to sign in by",
    responses=responses(MagicLinksOff, LocalAccountsOff, *CAPTCHA),
)
@limit("sign_in_request")
@not_idempotent("It only asks for a mail.")
async def ask_for_magic_link(
    body: EmailOnly, request: Request, response: Response, client: CurrentClient, identity: IdentityDep
) -> Accepted:
    """The response is the same whether the address has an account or not.

    A cookie ties the link to this browser: in another one, signing in by it takes one step more.
    """
    service.require_on()
    await require_human(request, body.captcha_token)
    await service.ask(identity.database, email=body.email, client=client)
    set_device_cookie(response, client.device)
    return Accepted(message=SENT)


@magic_links.post(
    "/verify",
    response_model=TokenPair | CookieSession,
    summary="Sign in by a mailed link",
    responses=responses(LinkInvalid, LinkOfAnotherDevice, MfaRequired, MagicLinksOff, LocalAccountsOff, CsrfFailed),
)
@limit("sign_in")
@answers_secret
async def verify_magic_link(
    body: MagicLinkVerify, request: Request, response: Response, client: CurrentClient, identity: IdentityDep
) -> TokenPair | CookieSession:
    """The link works once. Two-factor authentication: 401 `MFA_REQUIRED`, as after a password.

    With `"session": "cookie"`, a browser that did not request the link gets 403 `LINK_OF_ANOTHER_DEVICE` with the
    account's address in `details.email`: show it, and send it as `email` when the user confirms it.
    """
    require_own_page(request, body.session)
    user, started = await service.sign_in(
        identity.database, token=body.token.get_secret_value(), client=client, kind=body.session, email=body.email
    )
    return await signed_in(identity, response, user, started, body.session)
