"""Where signing in asks for a second factor. Whoever keeps second factors binds itself here when the process starts."""

from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.db import Session
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import MfaRequired
from undercroft.modules.auth.first_step import FirstStep
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.users import User


class SecondFactor(Protocol):
    async def ask(
        self, session: Session, user: User, client: Client, kind: SessionKind, first_step: FirstStep
    ) -> MfaRequired:
        """Store, in the session's transaction, who has done the first step; the refusal that tells how to go on.

        The kind of session that was asked for is begun when the second step is done.
        """
        ...


_bound: SecondFactor | None = None


def bind(second_factor: SecondFactor) -> None:
    """Ask here from now on."""
    global _bound
    _bound = second_factor


Page = Callable[[Request, MfaRequired, str], Awaitable[Response]]
"""Shows where somebody takes the second step in a browser, and goes on to a path afterwards."""

_page: Page | None = None


def bind_page(page: Page) -> None:
    """Let browsers be shown this page from now on."""
    global _page
    _page = page


async def page_for(request: Request, asked: MfaRequired, wanted: str) -> Response | None:
    """The page for a browser; None for others, and where there is none."""
    wants_page = "text/html" in request.headers.get("accept", "")
    return await _page(request, asked, wanted) if _page is not None and wants_page else None


async def demand(session: Session, user: User, client: Client, kind: SessionKind, first_step: FirstStep) -> NoReturn:
    """Raises `MfaRequired`. Nobody gets in where nobody can ask: raises `RuntimeError` then."""
    if _bound is None:
        raise RuntimeError("There are second factors, but nothing that asks for them was started.")
    raise await _bound.ask(session, user, client, kind, first_step)
