"""Where signing in asks for a second factor. Whoever keeps second factors binds itself here when the process starts."""

from collections.abc import Awaitable, Callable
from typing import NoReturn, Protocol

from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.db import Session
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import MfaRequired
from undercroft.modules.auth.first_factor import FirstFactor
from undercroft.modules.auth.models import SessionKind
from undercroft.modules.users import User


class SecondFactorProvider(Protocol):
    async def create_challenge(
        self, session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
    ) -> MfaRequired:
        """Store, in the session's transaction, who has done the first step; the refusal that tells how to go on.

        The kind of session that was asked for is begun when the second step is done.
        """
        ...


_provider: SecondFactorProvider | None = None


def bind(second_factor: SecondFactorProvider) -> None:
    """Ask here from now on."""
    global _provider
    _provider = second_factor


ChallengePage = Callable[[Request, MfaRequired, str], Awaitable[Response]]
"""Shows where somebody takes the second step in a browser, and goes on to a path afterwards."""

_page: ChallengePage | None = None


def bind_page(page: ChallengePage) -> None:
    """Let browsers be shown this page from now on."""
    global _page
    _page = page


async def render_challenge_page(request: Request, asked: MfaRequired, next_path: str) -> Response | None:
    """The page for a browser; None for others, and where there is none."""
    wants_page = "text/html" in request.headers.get("accept", "")
    return await _page(request, asked, next_path) if _page is not None and wants_page else None


async def raise_mfa_required(
    session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
) -> NoReturn:
    """Raises `MfaRequired`. Nobody gets in where nobody can ask: raises `RuntimeError` then."""
    if _provider is None:
        raise RuntimeError("There are second factors, but nothing that asks for them was started.")
    raise await _provider.create_challenge(session, user, client, kind, first_factor)
