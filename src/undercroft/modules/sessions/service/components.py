"""The components of sessions, created once for each application and stored in its context."""

from typing import Any

from fastapi import Response
from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.modules.sessions.models import SessionKind
from undercroft.modules.sessions.repository.sessions import LastSeen
from undercroft.modules.sessions.schemas import SignInResponse, TokenPair
from undercroft.modules.sessions.service.access_tokens import AccessTokens
from undercroft.modules.sessions.service.authenticator import TokenAuthenticator
from undercroft.modules.sessions.service.refresh import RefreshTokens
from undercroft.modules.sessions.service.sessions import StartedSession
from undercroft.modules.sessions.service.signing_keys import SigningKeyService
from undercroft.modules.users import User, UserRead


class SessionServices(Struct, frozen=True):
    database: Database
    keys: SigningKeyService
    tokens: AccessTokens
    last_seen: LastSeen
    authenticator: TokenAuthenticator
    refresh_tokens: RefreshTokens

    @classmethod
    def create(cls, database: Database) -> "SessionServices":
        """Create all components for a database. Raises `ConfigurationError` without a SECRET_KEY."""
        keys = SigningKeyService(database)
        tokens, last_seen = AccessTokens(keys), LastSeen()
        authenticator = TokenAuthenticator(database, tokens, last_seen)
        return cls(database, keys, tokens, last_seen, authenticator, RefreshTokens(database))


async def build_sign_in_response(
    response: Response, user: User, started: StartedSession, kind: SessionKind
) -> SignInResponse:
    """Return tokens, or set the session cookie; also set the device cookie."""
    signed_in = SignInResponse(session=kind, user=UserRead.model_validate(user))
    if kind is SessionKind.BEARER:
        started.set_device_cookie(response)
        pair = await issue_token_pair(started)
        more: dict[str, Any] = pair.model_dump(exclude={"token_type"})
    else:
        started.set_cookies(response)
        more = {"csrf_token": current_context().get(SessionServices).authenticator.csrf.issue(started.session_id)}
    return signed_in.model_copy(update=more)


async def issue_token_pair(started: StartedSession) -> TokenPair:
    tokens = current_context().get(SessionServices).tokens
    issued = await tokens.issue(started.user_id, started.session_id, ext=started.claims)
    return TokenPair(access_token=issued.token, refresh_token=started.secret, expires_in=issued.expires_in)
