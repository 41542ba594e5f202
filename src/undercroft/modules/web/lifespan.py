"""Adds the sign-in page and the second factor page to the application."""

from undercroft.core.context import AppContext
from undercroft.core.http.pages import SignInPage
from undercroft.modules.sessions import ChallengePage
from undercroft.modules.web.service.site import SITE


async def start(context: AppContext) -> None:
    context.add(SignInPage, SignInPage(SITE.page))
    context.add(ChallengePage, SITE.mfa_required)
