"""Queries of registrations, emailed links, credentials and the counters of failed sign-ins and emails."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from asyncpg import Record
from sqlalchemy import ColumnElement, String, bindparam, delete, false, func, select, text
from sqlmodel import col

from undercroft.core.db import Database, Repository, Session, Statement
from undercroft.modules.auth.models import MailPurpose, MailRequest, MailToken, Registration
from undercroft.modules.users import User

_CREDENTIALS = Statement(
    select(col(User.id), col(User.password_hash))
    .where(col(User.email) == bindparam("email", type_=String))
    .where(col(User.is_active), col(User.deleted_at).is_(None))
)
_LOCK_COUNTERS = Statement(
    text(
        "INSERT INTO auth_throttles (key, failures, counted_at) "
        "SELECT key, 0, CAST(:now AS timestamptz) FROM unnest(CAST(:keys AS bytea[])) AS key ORDER BY key "
        "ON CONFLICT (key) DO UPDATE SET key = excluded.key "
        "RETURNING key, failures, counted_at, blocked_until"
    )
)
_UPDATE_COUNTERS = Statement(
    text(
        "UPDATE auth_throttles AS t SET failures = n.failures, blocked_until = n.until, "
        "counted_at = CAST(:now AS timestamptz) FROM unnest(CAST(:keys AS bytea[]), CAST(:failures AS int[]), "
        "CAST(:until AS timestamptz[])) AS n (key, failures, until) WHERE t.key = n.key"
    )
)
_DECREMENT_COUNTERS = Statement(
    text(
        "WITH locked AS (SELECT key FROM auth_throttles WHERE key = ANY(CAST(:keys AS bytea[])) "
        "ORDER BY key FOR UPDATE) "
        "UPDATE auth_throttles AS t SET blocked_until = NULL, "
        "failures = CASE WHEN t.key = ANY(CAST(:cleared AS bytea[])) THEN 0 ELSE greatest(t.failures - 1, 0) END "
        "FROM locked WHERE t.key = locked.key"
    )
)
_COUNT_MAIL = Statement(
    text(
        "INSERT INTO auth_throttles AS t (key, failures, counted_at) "
        "VALUES (CAST(:key AS bytea), 1, CAST(:now AS timestamptz)) "
        "ON CONFLICT (key) DO UPDATE SET "
        "failures = CASE WHEN t.counted_at > CAST(:since AS timestamptz) THEN t.failures + 1 ELSE 1 END, "
        "counted_at = CASE WHEN t.counted_at > CAST(:since AS timestamptz) THEN t.counted_at "
        "ELSE excluded.counted_at END "
        "RETURNING failures"
    )
)
_DELETE_EXPIRED = Statement(text("DELETE FROM auth_throttles WHERE counted_at < CAST(:before AS timestamptz)"))


async def find_credentials(database: Database, email: str) -> Record | None:
    """Return the `id` and `password_hash` of the active user with this address."""
    return await database.fetchrow(_CREDENTIALS, email=email)


def _valid_token(purpose: MailPurpose, token_hash: bytes) -> tuple[ColumnElement[bool], ...]:
    return (
        col(MailToken.token_hash) == token_hash,
        col(MailToken.purpose) == purpose,
        col(MailToken.expires_at) > func.now(),
    )


class RegistrationRepository(Repository[Registration]):
    model = Registration

    async def find_by_token(self, token_hash: bytes) -> Registration | None:
        query = (
            self._query()
            .join(MailToken, col(MailToken.subject_id) == col(Registration.id))
            .where(*_valid_token(MailPurpose.VERIFY_EMAIL, token_hash), col(Registration.expires_at) > func.now())
        )
        return await self._first(query)

    async def find_latest(self, email: str, handle_hash: bytes | None) -> Registration | None:
        """Return the newest unexpired registration of an address, preferring those of this device."""
        query = self._query().where(col(Registration.email) == email, col(Registration.expires_at) > func.now())
        is_own = func.coalesce(col(Registration.handle_hash) == handle_hash, false())
        return await self._first(query.order_by(is_own.desc(), col(Registration.created_at).desc()).limit(1))

    async def list_all(self, email: str) -> Sequence[Registration]:
        """List all registrations of an address."""
        return (await self._session.scalars(self._query().where(col(Registration.email) == email))).all()

    async def delete_all(self, email: str) -> Sequence[Registration]:
        """Delete and return all registrations of an address. Their tokens stay: see `reassign`."""
        removed = delete(Registration).where(col(Registration.email) == email).returning(Registration)
        return (await self._write_session.scalars(removed)).all()


class MailTokenRepository(Repository[MailToken]):
    model = MailToken

    async def subject(self, purpose: MailPurpose, token_hash: bytes) -> UUID | None:
        query = select(col(MailToken.subject_id)).where(*_valid_token(purpose, token_hash))
        return cast("UUID | None", await self._session.scalar(query))

    async def use(self, purpose: MailPurpose, token_hash: bytes) -> MailToken | None:
        """Delete and return a valid token. Of concurrent calls, only one succeeds."""
        removed = delete(MailToken).where(*_valid_token(purpose, token_hash)).returning(MailToken)
        return (await self._session.scalars(removed)).one_or_none()

    async def reassign(self, registrations: Sequence[Registration], user_id: UUID) -> None:
        """Assign the tokens of registrations to the new account, so that later links report that it is verified."""
        of_registrations = col(MailToken.subject_id).in_([each.id for each in registrations])
        verifying = col(MailToken.purpose) == MailPurpose.VERIFY_EMAIL
        await self._update(of_registrations, verifying, subject_id=user_id)

    async def revoke_links(self, user_id: UUID) -> None:
        """Delete a user's password reset links, sign-in links, and email changes.

        Email changes are included because an attacker who knew the password may have requested them.
        """
        await self.consume(MailPurpose.RESET_PASSWORD, user_id)
        await self.consume(MailPurpose.MAGIC_LINK, user_id)
        await MailRequestRepository(self._session).delete_all(user_id, MailPurpose.CONFIRM_EMAIL)

    async def consume(self, purpose: MailPurpose, *subjects: UUID) -> int:
        """Delete all tokens of a purpose and return their number. Of concurrent calls, only one deletes them."""
        return await self._delete(col(MailToken.subject_id).in_(subjects), col(MailToken.purpose) == purpose)


class MailRequestRepository(Repository[MailRequest]):
    model = MailRequest

    async def delete_all(self, user_id: UUID, purpose: MailPurpose) -> Sequence[UUID]:
        """Delete a user's requests of a purpose and their tokens. Returns the IDs of the requests."""
        where = (col(MailRequest.user_id) == user_id, col(MailRequest.purpose) == purpose)
        removed = delete(MailRequest).where(*where).returning(col(MailRequest.id))
        ids: Sequence[UUID] = (await self._write_session.scalars(removed)).all()
        await MailTokenRepository(self._write_session).consume(purpose, *ids)
        return ids

    async def erase(self, user_id: UUID) -> None:
        await self.delete_all(user_id, MailPurpose.CONFIRM_EMAIL)
        await self.delete_by(user_id=user_id)


async def delete_expired_links(session: Session, before: datetime) -> int:
    removed = 0
    for model in (MailToken, Registration, MailRequest):
        removed += await session.rowcount(delete(model).where(col(model.expires_at) < before))
    return removed


class ThrottleRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def lock(self, keys: Collection[bytes], now: datetime) -> dict[bytes, Record]:
        """Lock counters until the transaction ends, and create missing ones."""
        rows = await self._session.fetch(_LOCK_COUNTERS, keys=list(keys), now=now)
        return {row["key"]: row for row in rows}

    async def update(
        self, failures: Mapping[bytes, int], blocked_until: Sequence[datetime | None], now: datetime
    ) -> None:
        """Store the numbers of failures and the ends of the delays, in the same order."""
        keys, counts = list(failures), list(failures.values())
        await self._session.fetch(_UPDATE_COUNTERS, now=now, keys=keys, failures=counts, until=blocked_until)

    async def decrement(self, keys: Collection[bytes], *, cleared: Collection[bytes]) -> None:
        """Uncount one failure of each counter, and all failures of the `cleared` ones. Ends their delays."""
        await self._session.fetch(_DECREMENT_COUNTERS, keys=list(keys), cleared=list(cleared))

    async def count_mail(self, key: bytes, now: datetime, *, since: datetime) -> int:
        """Count an email and return the number since this time, including this one."""
        (row,) = await self._session.fetch(_COUNT_MAIL, key=key, now=now, since=since)
        count: int = row["failures"]
        return count

    async def delete_expired(self, before: datetime) -> None:
        await self._session.fetch(_DELETE_EXPIRED, before=before)
