"""Keys in PostgreSQL: the `Keys` of `core.http.idempotency`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from asyncpg import Record
from asyncpg.exceptions import LockNotAvailableError

from undercroft.core.db import Database, Session, utc_now
from undercroft.core.db.reauthorization import without_reauthorization
from undercroft.core.http.idempotency import Answer, Claim, IdempotencyInProgress, Kept, Outcome
from undercroft.core.http.settings import HttpSettings
from undercroft.core.http.turns import Turns
from undercroft.core.security.keyring import Unreadable, keyring
from undercroft.core.security.tokens import equal, sign
from undercroft.core.settings import load
from undercroft.modules.idempotency.repository import KeyRepository
from undercroft.modules.idempotency.settings import IdempotencySettings

PURPOSE = "idempotency keys"
_Packed = tuple[int, list[tuple[bytes, bytes]], bytes]


class StoredKeys:
    """Rows are written in the session that is given, else in a transaction of their own."""

    def __init__(self, database: Database) -> None:
        self.turns: Turns[tuple[Claim, Kept]] = Turns()
        self._database = database
        self._keyring = keyring(PURPOSE)

    async def claim(self, claim: Claim, session: Session | None) -> Kept | None:
        """Take the key: None when it was free, else what is known of it.

        Raises `IdempotencyInProgress` when another process has had it for `DB_LOCK_TIMEOUT` seconds.
        """
        now = utc_now()
        async with self._in(session) as session:
            keys, expires_at = KeyRepository(session), now + load(IdempotencySettings).kept
            try:
                if await keys.claim(claim.digest, self._seal_request(claim), now=now, expires_at=expires_at):
                    return None
            except LockNotAvailableError:
                raise IdempotencyInProgress from None
            row = await keys.find(claim.digest)
        if row is None:
            raise IdempotencyInProgress
        return self._read(claim, row, now)

    async def keep(self, claim: Claim, answer: Answer | None, outcome: Outcome, session: Session | None) -> Kept:
        """Keep how it ended, and the answer unless it is too large."""
        if answer is not None and len(answer.body) > load(IdempotencySettings).idempotency_max_answer:
            answer, outcome = None, Outcome.NOT_KEPT
        async with self._in(session) as session:
            await KeyRepository(session).keep(claim.digest, outcome, self._seal(claim, answer))
        return Kept(outcome, True, answer)

    async def free(self, claim: Claim, session: Session | None) -> None:
        """Give the key back: nothing was done."""
        async with self._in(session) as session:
            await KeyRepository(session).free(claim.digest)

    @asynccontextmanager
    async def _in(self, session: Session | None) -> AsyncIterator[Session]:
        if session is not None:
            yield session
            return
        with without_reauthorization():
            async with self._database.session() as own:
                yield own

    def _seal_request(self, claim: Claim) -> bytes:
        return bytes.fromhex(sign(self._keyring.keys[0], claim.request.hex()))

    def _is_same(self, claim: Claim, stored: bytes) -> bool:
        return any(equal(sign(key, claim.request.hex()), stored.hex()) for key in self._keyring.keys)

    def _seal(self, claim: Claim, answer: Answer | None) -> bytes | None:
        if answer is None:
            return None
        packed = msgspec.msgpack.encode((answer.status, answer.headers, answer.body))
        return self._keyring.encrypt(packed, context=claim.digest.hex())

    def _read(self, claim: Claim, row: Record, now: datetime) -> Kept:
        outcome, same = Outcome(row["outcome"]), self._is_same(claim, row["request"])
        if outcome is Outcome.RUNNING and row["created_at"] < now - _longest():
            outcome = Outcome.CUT_OFF
        if row["answer"] is None or not same:
            return Kept(outcome, same)
        try:
            packed = self._keyring.decrypt(row["answer"], context=claim.digest.hex())
        except Unreadable:
            return Kept(Outcome.NOT_KEPT, same)
        return Kept(outcome, same, Answer(*msgspec.msgpack.decode(packed, type=_Packed)))


def _longest() -> timedelta:
    """After this long a request that is still said to be running was cut off."""
    return timedelta(seconds=2 * load(HttpSettings).request_timeout)
