"""Stores idempotency keys in PostgreSQL: the `KeyStore` of `core.http.idempotency`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import msgspec
from asyncpg import Record
from asyncpg.exceptions import LockNotAvailableError

from undercroft.core.db import Database, Session, utc_now
from undercroft.core.db.reauthorization import without_reauthorization
from undercroft.core.http.idempotency import (
    IdempotencyInProgress,
    IdempotencyOutcome,
    KeyClaim,
    RawResponse,
    StoredResponse,
)
from undercroft.core.http.settings import HttpSettings
from undercroft.core.keyed_lock import KeyedLocks
from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.security.tokens import constant_time_compare, sign
from undercroft.core.settings import load
from undercroft.modules.idempotency.repository import IdempotencyKeyRepository
from undercroft.modules.idempotency.settings import IdempotencySettings

PURPOSE = "idempotency keys"
_PackedResponse = tuple[int, list[tuple[bytes, bytes]], bytes]


class PostgresKeyStore:
    """Writes rows in the given session, or in a separate transaction without one. `KeyStore` documents the methods."""

    def __init__(self, database: Database) -> None:
        self.locks: KeyedLocks[tuple[KeyClaim, StoredResponse]] = KeyedLocks()
        self._database = database
        self._keyring = keyring(PURPOSE)

    async def claim(self, claim: KeyClaim, session: Session | None) -> StoredResponse | None:
        """Waits for `DB_LOCK_TIMEOUT` seconds if another transaction has locked the key."""
        now = utc_now()
        async with self._session_scope(session) as session:
            keys, expires_at = IdempotencyKeyRepository(session), now + load(IdempotencySettings).retention
            try:
                if await keys.claim(claim.digest, self._seal_request(claim), now=now, expires_at=expires_at):
                    return None
            except LockNotAvailableError:
                raise IdempotencyInProgress from None
            row = await keys.find(claim.digest)
        if row is None:
            raise IdempotencyInProgress
        return self._to_stored_response(claim, row, now)

    async def store(
        self, claim: KeyClaim, raw_response: RawResponse | None, outcome: IdempotencyOutcome, session: Session | None
    ) -> StoredResponse:
        if raw_response is not None and len(raw_response.body) > load(IdempotencySettings).idempotency_max_response:
            raw_response, outcome = None, IdempotencyOutcome.NOT_STORED
        async with self._session_scope(session) as session:
            await IdempotencyKeyRepository(session).store(claim.digest, outcome, self._seal(claim, raw_response))
        return StoredResponse(outcome, True, raw_response)

    async def release(self, claim: KeyClaim, session: Session | None) -> None:
        async with self._session_scope(session) as session:
            await IdempotencyKeyRepository(session).release(claim.digest)

    @asynccontextmanager
    async def _session_scope(self, session: Session | None) -> AsyncIterator[Session]:
        if session is not None:
            yield session
            return
        with without_reauthorization():
            async with self._database.session() as own:
                yield own

    def _seal_request(self, claim: KeyClaim) -> bytes:
        return bytes.fromhex(sign(self._keyring.keys[0], claim.fingerprint.hex()))

    def _is_same_request(self, claim: KeyClaim, stored: bytes) -> bool:
        return any(
            constant_time_compare(sign(key, claim.fingerprint.hex()), stored.hex()) for key in self._keyring.keys
        )

    def _seal(self, claim: KeyClaim, raw_response: RawResponse | None) -> bytes | None:
        if raw_response is None:
            return None
        packed = msgspec.msgpack.encode((raw_response.status, raw_response.headers, raw_response.body))
        return self._keyring.encrypt(packed, context=claim.digest.hex())

    def _to_stored_response(self, claim: KeyClaim, row: Record, now: datetime) -> StoredResponse:
        outcome, same_request = IdempotencyOutcome(row["outcome"]), self._is_same_request(claim, row["request"])
        if outcome is IdempotencyOutcome.RUNNING and row["created_at"] < now - _max_runtime():
            outcome = IdempotencyOutcome.INTERRUPTED
        if row["response"] is None or not same_request:
            return StoredResponse(outcome, same_request)
        try:
            packed = self._keyring.decrypt(row["response"], context=claim.digest.hex())
        except DecryptionError:
            return StoredResponse(IdempotencyOutcome.NOT_STORED, same_request)
        return StoredResponse(outcome, same_request, RawResponse(*msgspec.msgpack.decode(packed, type=_PackedResponse)))


def _max_runtime() -> timedelta:
    """Return the age at which a request that is still marked as running counts as interrupted."""
    return timedelta(seconds=2 * load(HttpSettings).request_timeout)
