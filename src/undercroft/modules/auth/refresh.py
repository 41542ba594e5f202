"""Refresh tokens: opaque, used once, rotated in the family that is their session (RFC 9700, 4.14).

Two clients of one person may send the same token at the same moment without meaning harm; a thief sends it later. What
tells them apart is whether the request had arrived before the winner's commit. Arrival is stamped by the outermost
middleware, so the other moment is taken from the same kind of clock: once its transaction has committed, and before it
answers, the winner writes `settled_at` from the clock of its process, not from the database's. Nobody can know the new
pair earlier than that, so the little time between commit and settling belongs to the race, and on one machine the
comparison is exact. Between machines it is as good as their clocks agree: a lag of some milliseconds turns reuse into a
conflict, which revokes nothing and can be tried again by nobody who has only the old token.

A winner that dies between the two writes leaves `used_at` alone: then whoever arrives within `UNSETTLED` seconds of it
takes part in the race, and whoever comes later reuses.
"""

from datetime import timedelta
from typing import Any

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.errors import ServiceUnavailable
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import load
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import InvalidRefreshToken, RefreshConflict, TokenReused
from undercroft.modules.auth.models import RefreshToken
from undercroft.modules.auth.repository import RefreshTokenRepository, SessionRepository
from undercroft.modules.auth.sessions import Started
from undercroft.modules.auth.settings import AuthSettings

UNSETTLED = timedelta(seconds=10)

log = structlog.get_logger("undercroft.security")


async def refresh(database: Database, *, token: str, client: Client) -> Started:
    """Take a token and give the next one. Raises `InvalidRefreshToken`, `RefreshConflict`, `TokenReused`."""
    token_hash = hash_token(token)
    async with database.session() as session:
        started = await _rotate(session, token_hash, client)
    try:
        async with database.session() as session:
            await RefreshTokenRepository(session).settle(token_hash)
    except ServiceUnavailable:
        log.warning("refresh.unsettled", session_id=str(started.session_id))
    return started


async def _rotate(session: Session, token_hash: bytes, client: Client) -> Started:
    tokens = RefreshTokenRepository(session)
    held = await tokens.lock(token_hash)
    if held is None:
        raise InvalidRefreshToken
    if held.used_at is not None:
        await _refuse(session, held, client)
    if held.revoked_at is not None or not held.unexpired or not held.welcome:
        raise InvalidRefreshToken
    following = new_token()
    session.add(RefreshToken(token_hash=hash_token(following), session_id=held.session_id))
    await tokens.use(token_hash)
    expires_at = min(utc_now() + load(AuthSettings).idle_life, held.ends_at)
    await SessionRepository(session).seen(
        held.session_id, ip=client.ip, user_agent=client.user_agent, expires_at=expires_at
    )
    return Started(held.user_id, held.session_id, following)


async def _refuse(session: Session, held: Any, client: Client) -> None:
    """The token was used before: raises `RefreshConflict` to those who raced, else ends the family and says so."""
    if client.received_at <= (held.settled_at or held.used_at + UNSETTLED):
        raise RefreshConflict
    if await SessionRepository(session).revoke(held.session_id):
        details = {"ip": client.ip}
        await record(session, Entry("refresh_token.reused", held.user_id, "session", held.session_id, details=details))
    raise TokenReused
