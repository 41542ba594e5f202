"""Refresh tokens: opaque, used once, rotated in the family that is their session (RFC 9700, 4.14).

Several requests of one client may carry the same token at the same moment without harm; a thief sends it later. One of
those that race wins, the others are told of the conflict and nothing is revoked; who comes after the race has been run
reuses, and the family ends.

When is the race over? A client cannot know the new pair before the winner answers, but what it sent before may still be
on its way. So the winner, once its transaction has committed, waits until nobody has joined for a moment, and only then
settles and answers. The time of settling is compared with the stamp that the outermost middleware gave each request
when it came; both are taken from the clocks of processes, never from the database's. On one machine the comparison is
exact. Between machines it is as good as their clocks agree: a lag of some milliseconds turns a reuse into a conflict,
which revokes nothing and gains nothing, or the last of a race into a reuse.

Requests that meet in one process are told apart there, without asking the database; between processes its row decides.
A winner that dies before it settles leaves `used_at` alone: whoever comes within `UNSETTLED` of that still races.
"""

import asyncio
from datetime import timedelta
from typing import Any, NoReturn

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session, utc_now
from undercroft.core.errors import AppError, ServiceUnavailable
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import load
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import InvalidRefreshToken, RefreshConflict, TokenReused
from undercroft.modules.auth.models import RefreshToken
from undercroft.modules.auth.repository import RefreshTokenRepository, SessionRepository
from undercroft.modules.auth.sessions import Started
from undercroft.modules.auth.settings import AuthSettings

UNSETTLED = timedelta(seconds=10)
ALONE_SECONDS = 0.05
CROWDED_SECONDS = 0.15
LONGEST_SECONDS = 2.0

log = structlog.get_logger("undercroft.security")


class Race:
    """The requests of one token that are in this process at the moment; the one that began it runs for all of them."""

    def __init__(self) -> None:
        self._decided = asyncio.Event()
        self._failure: AppError | None = None
        self._joined_at: float | None = None

    async def join(self) -> NoReturn:
        """Be told how it ended: of the conflict when somebody won, else of what went wrong."""
        self._joined_at = asyncio.get_running_loop().time()
        await self._decided.wait()
        raise self._failure.__class__() if self._failure else RefreshConflict

    def decide(self, failure: AppError | None = None) -> None:
        if not self._decided.is_set():
            self._failure = failure
            self._decided.set()

    async def last_arrivals(self) -> None:
        """Wait until nobody has joined for a moment: a short one for who runs alone."""
        clock = asyncio.get_running_loop().time
        began = clock()
        while True:
            quiet_at = began + ALONE_SECONDS if self._joined_at is None else self._joined_at + CROWDED_SECONDS
            left = min(quiet_at, began + LONGEST_SECONDS) - clock()
            if left <= 0:
                return
            await asyncio.sleep(min(left, CROWDED_SECONDS))


class RefreshTokens:
    """Takes tokens and gives the next ones."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._races: dict[bytes, Race] = {}

    async def refresh(self, *, token: str, client: Client) -> Started:
        """The next pair of a session. Raises `InvalidRefreshToken`, `RefreshConflict`, `TokenReused`."""
        token_hash = hash_token(token)
        running = self._races.get(token_hash)
        if running is not None:
            await running.join()
        race = self._races[token_hash] = Race()
        try:
            return await self._run(race, token_hash, client)
        except AppError as error:
            race.decide(error)
            raise
        finally:
            race.decide()
            del self._races[token_hash]

    async def _run(self, race: Race, token_hash: bytes, client: Client) -> Started:
        async with self._database.session() as session:
            started = await _rotate(session, token_hash, client)
        race.decide()
        await race.last_arrivals()
        try:
            async with self._database.session() as session:
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


async def _refuse(session: Session, held: Any, client: Client) -> NoReturn:
    """The token was used before: raises `RefreshConflict` to those who raced, else ends the family and says so."""
    if client.received_at <= (held.settled_at or held.used_at + UNSETTLED):
        raise RefreshConflict
    if await SessionRepository(session).revoke(held.session_id):
        # whoever sent it is not known to be the session's owner
        entry = Entry(
            "refresh_token.reused",
            target_type="session",
            target_id=held.session_id,
            before={"ended": False},
            after={"ended": True},
            person_id=held.user_id,
        )
        await record(session, entry)
    raise TokenReused
