"""Every query about identities that others keep."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast
from uuid import UUID

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import OwnedRepository, Repository
from undercroft.core.security.tokens import hash_token
from undercroft.modules.identities.errors import IdentityNotFound
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity, UsedMark


class IdentityRepository(Repository[ExternalIdentity]):
    model = ExternalIdentity
    not_found = IdentityNotFound

    async def lock_by_subject(self, issuer: str, subject: str) -> ExternalIdentity | None:
        """Who this is here, if it is known; nobody else makes or changes it until the transaction ends."""
        key = func.hashtextextended(f"external_identities {issuer} {subject}", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(key)))
        query = self._query().where(col(ExternalIdentity.issuer) == issuer, col(ExternalIdentity.subject) == subject)
        return await self._first(query.with_for_update().execution_options(populate_existing=True))

    async def find_by_issuer(self, user_id: UUID, issuer: str) -> ExternalIdentity | None:
        """The identity that this user has at this issuer; the earliest, should there be several."""
        query = self._query().where(col(ExternalIdentity.user_id) == user_id, col(ExternalIdentity.issuer) == issuer)
        return await self._first(query.order_by(col(ExternalIdentity.created_at), col(ExternalIdentity.id)).limit(1))

    async def lock_pending_emails(self) -> None:
        """Let no other transaction move accounts to pending addresses until this one ends."""
        key = func.hashtextextended("external_identities.pending_email", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(key)))

    async def list_pending(self, email: str | None = None) -> Sequence[UUID]:
        """The identities with a pending address, those that wait for this one if it is named."""
        pending = col(ExternalIdentity.pending_email)
        query = select(col(ExternalIdentity.id)).where(pending.is_not(None) if email is None else pending == email)
        return (await self._session.scalars(query.order_by(col(ExternalIdentity.id)))).all()

    async def erase(self, user_id: UUID) -> int:
        """Remove all of somebody's identities; how many there were."""
        return await self._write_session.rowcount(
            delete(ExternalIdentity).where(col(ExternalIdentity.user_id) == user_id)
        )

    async def delete_ended(self, before: datetime) -> int:
        """Remove what remains of identities that their issuer deleted before this moment; how many there were."""
        ended = (col(ExternalIdentity.user_id).is_(None), col(ExternalIdentity.updated_at) < before)
        return await self._write_session.rowcount(delete(ExternalIdentity).where(*ended))


class UserIdentityRepository(OwnedRepository[ExternalIdentity]):
    model = ExternalIdentity
    not_found = IdentityNotFound
    sortable = ("created_at",)


class SingleUseRepository:
    """What works once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def use(self, mark: bytes, *, until: datetime) -> bool:
        """Whether this is the first use. Of two at once, one is."""
        made = insert(UsedMark).values(mark=mark, expires_at=until).on_conflict_do_nothing()
        return await self._session.rowcount(made) == 1

    async def consume_code(self, code_hash: bytes) -> ExchangeCode | None:
        """Remove a code that is still valid; what it stood for. Of two at once, one gets it."""
        where = (col(ExchangeCode.code_hash) == code_hash, col(ExchangeCode.expires_at) > func.now())
        taken = delete(ExchangeCode).where(*where).returning(ExchangeCode)
        return cast("ExchangeCode | None", (await self._session.scalars(taken)).one_or_none())

    async def revoke_codes(self, user_id: UUID) -> None:
        """Remove the codes that would start sessions of this user."""
        await self._session.execute(delete(ExchangeCode).where(col(ExchangeCode.user_id) == user_id))

    async def delete_expired(self, before: datetime) -> int:
        """Remove what expired before this moment."""
        removed = await self._session.rowcount(delete(UsedMark).where(col(UsedMark.expires_at) < before))
        return removed + await self._session.rowcount(delete(ExchangeCode).where(col(ExchangeCode.expires_at) < before))


def session_mark(issuer: str, session_id: str) -> bytes:
    """What is stored of a session at an issuer that has ended."""
    return hash_token(f"session {issuer} {session_id}")


async def was_used(session: ReadSession, mark: bytes) -> bool:
    """Whether this mark was set, and has not been cleaned up since."""
    return await session.get(UsedMark, mark) is not None


async def list_user_identities(session: ReadSession, user_id: UUID) -> Sequence[ExternalIdentity]:
    """All identities of somebody, the earliest first."""
    query = select(ExternalIdentity).where(col(ExternalIdentity.user_id) == user_id)
    return (await session.scalars(query.order_by(col(ExternalIdentity.created_at), col(ExternalIdentity.id)))).all()
