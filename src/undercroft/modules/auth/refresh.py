"""Refresh tokens: opaque, rotated at every use in the family that is their session (RFC 9700, 4.14).

A token that is used again was copied, and its family ends. But a client also retries when a response is lost, and
several tabs refresh at once: so for `REFRESH_REUSE_INTERVAL` seconds from its rotation the same token returns the same
successor. It is derived from the token and the session under SECRET_KEY, so nothing secret is stored to repeat it, and
there is exactly one. The interval counts from the first use by the database's clock, and no retry extends it. A thief
who is quicker than that shares one chain of tokens with the owner, and whichever of the two falls behind by more than
the interval ends it.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, NoReturn

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.security.keyring import keyring
from undercroft.core.security.tokens import derive_token, hash_token
from undercroft.core.settings import load
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import InvalidRefreshToken, TokenReused
from undercroft.modules.auth.models import RefreshToken
from undercroft.modules.auth.repository import RefreshTokenRepository, SessionRepository
from undercroft.modules.auth.sessions import StartedSession
from undercroft.modules.auth.settings import AuthSettings

PURPOSE = "refresh tokens"


class RefreshTokens:
    """Takes tokens and returns their successors."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._keys = keyring(PURPOSE).keys

    async def refresh(self, *, token: str, client: Client) -> StartedSession:
        """The next token of a session. Raises `InvalidRefreshToken`, `TokenReused`."""
        interval = timedelta(seconds=load(AuthSettings).refresh_reuse_interval)
        async with self._database.session() as session:
            found = await RefreshTokenRepository(session).lock(hash_token(token), interval)
            if found is None:
                raise InvalidRefreshToken
            if found.used_at is not None and not found.in_reuse_interval:
                await _revoke_family(session, found)
            if found.revoked_at is not None or not found.unexpired or not found.is_user_active:
                raise InvalidRefreshToken
            successors = self._successors(token, found)
            if found.used_at is None:
                return await _rotate(session, token, found, successors, client)
            return await _return_successor(session, found, successors)

    def _successors(self, token: str, found: Any) -> Mapping[bytes, str]:
        """The successor under each key by its hash, that of the newest key first: one of an earlier key may exist."""
        derived = [derive_token(key, token, found.session_id.hex) for key in self._keys]
        return {hash_token(each): each for each in derived}


async def _rotate(
    session: Session, token: str, found: Any, successors: Mapping[bytes, str], client: Client
) -> StartedSession:
    token_hash, successor = next(iter(successors.items()))
    session.add(RefreshToken(token_hash=token_hash, session_id=found.session_id))
    await RefreshTokenRepository(session).use(hash_token(token))
    expires_at = min(utc_now() + load(AuthSettings).idle_timeout, found.ends_at)
    await SessionRepository(session).update_last_seen(
        found.session_id, ip=client.ip, user_agent=client.user_agent, expires_at=expires_at
    )
    return StartedSession(found.user_id, found.session_id, successor)


async def _return_successor(session: Session, found: Any, successors: Mapping[bytes, str]) -> StartedSession:
    """Raises `InvalidRefreshToken` where the successor was derived under a key that is not known here."""
    stored = await RefreshTokenRepository(session).find_existing(successors)
    if stored is None:
        raise InvalidRefreshToken
    return StartedSession(found.user_id, found.session_id, successors[stored])


async def _revoke_family(session: Session, found: Any) -> NoReturn:
    """The token was copied. Raises `TokenReused`."""
    if await SessionRepository(session).revoke(found.session_id):
        # whoever sent it is not known to be the session's owner
        entry = Entry(
            "refresh_token.reused",
            target_type="session",
            target_id=found.session_id,
            before={"ended": False},
            after={"ended": True},
            person_id=found.user_id,
        )
        await record(session, entry)
    raise TokenReused
