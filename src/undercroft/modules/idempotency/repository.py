"""Queries for idempotency keys."""

from datetime import datetime

from asyncpg import Record
from sqlalchemy import text

from undercroft.core.db import Session, Statement
from undercroft.core.http.idempotency import IdempotencyOutcome

# A duplicate waits here for the transaction that locks the key. An expired row counts as free.
_CLAIM = Statement(
    text(
        "INSERT INTO idempotency_keys AS k (digest, request, outcome, created_at, expires_at) VALUES "
        "(CAST(:digest AS bytea), CAST(:request AS bytea), 'running', CAST(:now AS timestamptz), "
        "CAST(:expires_at AS timestamptz)) ON CONFLICT (digest) DO UPDATE SET request = excluded.request, "
        "outcome = excluded.outcome, response = NULL, created_at = excluded.created_at, "
        "expires_at = excluded.expires_at WHERE k.expires_at <= excluded.created_at RETURNING digest"
    )
)
_FIND = Statement(
    text("SELECT request, outcome, response, created_at FROM idempotency_keys WHERE digest = CAST(:digest AS bytea)")
)
_STORE = Statement(
    text(
        "UPDATE idempotency_keys SET outcome = CAST(:outcome AS varchar), response = CAST(:response AS bytea) "
        "WHERE digest = CAST(:digest AS bytea)"
    )
)
_RELEASE = Statement(text("DELETE FROM idempotency_keys WHERE digest = CAST(:digest AS bytea) AND outcome = 'running'"))
_DELETE_EXPIRED = Statement(
    text(
        "DELETE FROM idempotency_keys WHERE digest IN (SELECT digest FROM idempotency_keys "
        "WHERE expires_at <= CAST(:now AS timestamptz) LIMIT CAST(:limit AS int)) RETURNING digest"
    )
)


class IdempotencyKeyRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def claim(self, digest: bytes, request: bytes, *, now: datetime, expires_at: datetime) -> bool:
        """Claim a free or expired key; False if it is taken. Waits for a transaction that has locked it."""
        row = await self._session.fetchrow(_CLAIM, digest=digest, request=request, now=now, expires_at=expires_at)
        return row is not None

    async def find(self, digest: bytes) -> Record | None:
        return await self._session.fetchrow(_FIND, digest=digest)

    async def store(self, digest: bytes, outcome: IdempotencyOutcome, response: bytes | None) -> None:
        await self._session.fetch(_STORE, digest=digest, outcome=outcome.value, response=response)

    async def release(self, digest: bytes) -> None:
        await self._session.fetch(_RELEASE, digest=digest)

    async def delete_expired(self, *, now: datetime, limit: int) -> int:
        return len(await self._session.fetch(_DELETE_EXPIRED, now=now, limit=limit))
