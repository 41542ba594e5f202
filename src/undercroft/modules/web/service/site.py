"""The pages of the site: their paths, the ways to sign in, and the visitor."""

from collections.abc import Sequence
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import Depends, Request
from msgspec import Struct

from undercroft.core.auth import Principal
from undercroft.core.context import current_context
from undercroft.core.http import Action, Surface
from undercroft.core.http.same_site import is_local_path
from undercroft.core.settings import CoreSettings, load
from undercroft.modules.auth import AuthSettings, LinkPage
from undercroft.modules.identities import Connections, ConnectionsDep
from undercroft.modules.sessions import LocalAccountsOff, get_authenticator
from undercroft.modules.web.service.sign_in import SignInPages
from undercroft.modules.web.settings import WebSettings
from undercroft.providers.identity import IdentitySettings

WELCOME_PAGE = "/"
CONSOLE_PAGE = "/app/"
SIGN_IN_PAGE = "/sign-in"
SECOND_FACTOR_PAGE = f"{SIGN_IN_PAGE}/second-factor"
PASSKEY_PAGE = f"{SIGN_IN_PAGE}/passkey"
REQUEST_LINK_PAGE = f"{SIGN_IN_PAGE}/link"
SIGN_OUT_PAGE = "/sign-out"
REGISTER_PAGE = "/register"
RESEND_PAGE = f"{LinkPage.VERIFY_EMAIL}/resend"


class SocialLink(Struct, frozen=True):
    label: str
    url: str


def safe_next_path(next_path: str) -> str:
    """Return a path of this site: the given one, or else that to which users go after sign-in."""
    if is_local_path(next_path):
        return next_path
    return load(WebSettings).sign_in_target or console_page() or WELCOME_PAGE


def console_page(team_slug: str = "") -> str:
    """Return the path of the console, with a team if one is given; empty if the console is not served."""
    if not load(CoreSettings).has_module("console"):
        return ""
    return f"{CONSOLE_PAGE}?{urlencode({'team': team_slug})}" if team_slug else CONSOLE_PAGE


def continue_action(team_slug: str = "") -> Action:
    """Return the link of a page that reports a success: to the console, or to the welcome page without it."""
    console = console_page(team_slug)
    return Action("Open the console", console) if console else Action("Continue", WELCOME_PAGE)


def get_mailbox_actions() -> tuple[Action, ...]:
    """Return a link to the development mailbox for pages that report a sent email; empty if there is no mailbox."""
    settings = load(CoreSettings)
    has_mailbox = settings.is_development and settings.has_module("mailbox")
    return (Action("Open the development mailbox", "/dev/mailbox"),) if has_mailbox else ()


async def _find_visitor(request: Request) -> Principal | None:
    return await get_authenticator().visitor(request)


Visitor = Annotated[Principal | None, Depends(_find_visitor)]
"""The signed-in user who opens a page, if any."""


async def check_sign_in_available(connections: ConnectionsDep) -> None:
    """A dependency of pages that need browser sign-in: without it they return 403."""
    if load(IdentitySettings).is_external and not connections.social:
        raise LocalAccountsOff


def _list_social_links(next_path: str) -> Sequence[SocialLink]:
    """Return one link for each enabled provider. With external accounts, they are the only way to sign in."""
    query = urlencode({"return_to": next_path})
    base = f"{Surface.AUTH.prefix}/social"
    connections = current_context().get(Connections)
    return [SocialLink(each.label, f"{base}/{each.name}?{query}") for each in connections.social.values()]


def _further_ways(next_path: str) -> dict[str, Any]:
    is_external = load(IdentitySettings).is_external
    return {
        "is_local": not is_external,
        "link_action": REQUEST_LINK_PAGE if load(AuthSettings).magic_links else "",
        "social": _list_social_links(next_path),
        "register": "" if is_external else REGISTER_PAGE,
        "forgot": LinkPage.RESET_PASSWORD,
        "resend": RESEND_PAGE,
    }


SITE = SignInPages(SIGN_IN_PAGE, SECOND_FACTOR_PAGE, PASSKEY_PAGE, safe_next_path, further_ways=_further_ways)
