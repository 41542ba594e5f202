"""The interface between sign-in and second factors. The module with second factors binds its provider at startup."""

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
        """Store the pending sign-in in the session's transaction, and return the error with which the client continues.

        `kind` is the type of session to start after the second factor.
        """
        ...


_provider: SecondFactorProvider | None = None


def bind(second_factor: SecondFactorProvider) -> None:
    """Set the provider of second factors."""
    global _provider
    _provider = second_factor


ChallengePage = Callable[[Request, MfaRequired, str], Awaitable[Response]]
"""Renders the second factor page, which redirects to a path afterwards."""

_page: ChallengePage | None = None


def bind_page(page: ChallengePage) -> None:
    """Set the second factor page for browsers."""
    global _page
    _page = page


async def render_challenge_page(request: Request, error: MfaRequired, next_path: str) -> Response | None:
    """Render the second factor page; None for clients other than browsers, and if no page is set."""
    wants_page = "text/html" in request.headers.get("accept", "")
    return await _page(request, error, next_path) if _page is not None and wants_page else None


async def raise_mfa_required(
    session: Session, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor
) -> NoReturn:
    """Raise `MfaRequired`, or `RuntimeError` if no provider is set, so that the second factor is never skipped."""
    if _provider is None:
        raise RuntimeError("The user has second factors, but no second factor provider is set.")
    raise await _provider.create_challenge(session, user, client, kind, first_factor)
