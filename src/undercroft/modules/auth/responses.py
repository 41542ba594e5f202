"""Responses that the sign-in routes share."""

from fastapi import Request, Response

from undercroft.core.http.pages import Action
from undercroft.core.http.tags import Tag
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth.cookies import refuse_cross_site, set_session_cookie
from undercroft.modules.auth.device import set_device_cookie
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.auth.schemas import CookieSession, TokenPair
from undercroft.modules.auth.services import AuthServices
from undercroft.modules.auth.sessions import StartedSession
from undercroft.modules.users import User, UserRead

SIGN_IN = Tag("Sign-in", "Registration, sign-in, tokens and passwords.", group="Account")
CHECK_EMAIL_MESSAGE = "Check your email. We sent a link to the address: open it to create your account."
LINK_SENT_MESSAGE = "If an account exists for this address, we have sent it a link."


def get_mailbox_actions() -> tuple[Action, ...]:
    """Return a link to the development mailbox for pages that report a sent email; empty outside development."""
    return (Action("Open the development mailbox", "/dev/mailbox"),) if load(CoreSettings).is_development else ()


def refuse_cross_site_cookie(request: Request, kind: SessionKind) -> None:
    """Raise `CsrfFailed` if a cross-site request would set a session cookie."""
    if kind is SessionKind.COOKIE:
        refuse_cross_site(request)


def set_sign_in_cookies(response: Response, started: StartedSession) -> None:
    """Set the cookies of a started session."""
    set_session_cookie(response, started.secret)
    remember_device(response, started)


def remember_device(response: Response, started: StartedSession) -> None:
    """Set the device cookie, which marks the device as known to the account."""
    if started.device is not None:
        set_device_cookie(response, started.device)


async def build_sign_in_response(
    auth_services: AuthServices, response: Response, user: User, started: StartedSession, kind: SessionKind
) -> TokenPair | CookieSession:
    """Return tokens, or set the session cookie; also set the device cookie."""
    if kind is SessionKind.BEARER:
        remember_device(response, started)
        return await issue_token_pair(auth_services, started)
    set_sign_in_cookies(response, started)
    csrf_token = auth_services.authenticator.csrf.issue(started.session_id)
    return CookieSession(user=UserRead.model_validate(user), csrf_token=csrf_token)


async def issue_token_pair(auth_services: AuthServices, started: StartedSession) -> TokenPair:
    issued = await auth_services.tokens.issue(started.user_id, started.session_id)
    return TokenPair(access_token=issued.token, refresh_token=started.secret, expires_in=issued.expires_in)
