"""Dependencies of routes: the client of a request, the components of sessions, and the check for local accounts."""

from typing import Annotated, Any

from fastapi import Depends

from undercroft.core.context import current_context
from undercroft.modules.sessions.service.authenticator import TokenAuthenticator
from undercroft.modules.sessions.service.client import Client, current_client
from undercroft.modules.sessions.service.components import SessionServices
from undercroft.modules.sessions.service.sessions import ensure_local_accounts

CurrentClient = Annotated[Client, Depends(current_client)]


async def _check_local_accounts() -> None:
    ensure_local_accounts()


def require_local_accounts() -> Any:
    """Return a dependency for routes that need local accounts; without them they return 403."""
    return Depends(_check_local_accounts)


async def get_session_services() -> SessionServices:
    return current_context().get(SessionServices)


SessionServicesDep = Annotated[SessionServices, Depends(get_session_services)]


def get_authenticator() -> TokenAuthenticator:
    """Return the authenticator of the current application."""
    return current_context().get(SessionServices).authenticator
