"""Refresh tokens: opaque, and rotated at every use (RFC 9700, 4.14). The tokens of a session form a family.

The reuse of a token means that it was copied, so its family is revoked. But clients also retry after a lost response,
and several tabs refresh concurrently. So for `REFRESH_REUSE_INTERVAL` seconds after its rotation, a token returns the
same successor again. The successor is derived from the token and the session under SECRET_KEY, so it is unique and can
be repeated without being stored. The interval starts at the first use, by the clock of the database, and retries do not
extend it. A thief who refreshes within the interval shares one chain of tokens with the owner; once either of them uses
a token that was rotated longer ago than the interval, the family is revoked.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.security.keyring import keyring
from undercroft.core.security.tokens import derive_token, hash_token
from undercroft.core.settings import load
from undercroft.modules.sessions.errors import InvalidRefreshToken, TokenReused
from undercroft.modules.sessions.hooks import decide_claims
from undercroft.modules.sessions.models import RefreshToken
from undercroft.modules.sessions.repository.sessions import RefreshTokenRepository, SessionRepository
from undercroft.modules.sessions.service.client import Client
from undercroft.modules.sessions.service.sessions import StartedSession
from undercroft.modules.sessions.settings import SessionSettings

PURPOSE = "refresh tokens"


class RefreshTokens:
    """Exchanges refresh tokens for their successors."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = keyring(PURPOSE).keys

    async def refresh(self, *, token: str, client: Client) -> StartedSession:
        """Return the next token of a session.

        Raises `InvalidRefreshToken`, `TokenReused` and what hooks of `TokenClaims` raise; then the token is not used.
        """
        interval = timedelta(seconds=load(SessionSettings).refresh_reuse_interval)
        async with self._database.session() as session:
            found = await RefreshTokenRepository(session).lock_for_use(hash_token(token), interval)
            if found is None:
                raise InvalidRefreshToken
            if found.used_at is not None and not found.in_reuse_interval:
                await _revoke_family(session, found)
            if found.revoked_at is not None or not found.unexpired or not found.is_user_active:
                raise InvalidRefreshToken
            successors = self._successors(token, found)
            claims = await decide_claims(session, found.user_id, found.session_id)
            if found.used_at is None:
                successor = await _rotate(session, token, found, successors, client)
            else:
                successor = await _find_successor(session, successors)
            return StartedSession(found.user_id, found.session_id, successor, claims=claims)

    def _successors(self, token: str, found: Any) -> Mapping[bytes, str]:
        """Return one successor for each key by its hash, newest key first. The stored one may be from an older key."""
        derived = [derive_token(key, token, found.session_id.hex) for key in self._keys]
        return {hash_token(each): each for each in derived}


async def _rotate(session: Session, token: str, found: Any, successors: Mapping[bytes, str], client: Client) -> str:
    token_hash, successor = next(iter(successors.items()))
    session.add(RefreshToken(token_hash=token_hash, session_id=found.session_id))
    await RefreshTokenRepository(session).use(hash_token(token))
    expires_at = min(utc_now() + load(SessionSettings).idle_timeout, found.ends_at)
    await SessionRepository(session).update_last_seen(
        found.session_id, ip=client.ip, user_agent=client.user_agent, expires_at=expires_at
    )
    return successor


async def _find_successor(session: Session, successors: Mapping[bytes, str]) -> str:
    """Return the successor again. Raises `InvalidRefreshToken` if it was derived under an unknown key."""
    stored = await RefreshTokenRepository(session).find_existing(successors)
    if stored is None:
        raise InvalidRefreshToken
    return successors[stored]


async def _revoke_family(session: Session, found: Any) -> NoReturn:
    """Revoke the session of a reused token. Raises `TokenReused`."""
    if await SessionRepository(session).revoke(found.session_id):
        # without an actor: the sender may not be the owner of the session
        entry = Entry(
            "refresh_token.reused",
            target_type="session",
            target_id=found.session_id,
            before={"revoked": False},
            after={"revoked": True},
            person_id=found.user_id,
        )
        await record(session, entry)
    raise TokenReused
