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
from undercroft.modules.identities.errors import IdentityNotFound
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity, UsedMark


class IdentityRepository(Repository[ExternalIdentity]):
    model = ExternalIdentity
    not_found = IdentityNotFound

    async def hold(self, issuer: str, subject: str) -> ExternalIdentity | None:
        """Who this is here, if it is known; nobody else makes or changes it until the transaction ends."""
        key = func.hashtextextended(f"external_identities {issuer} {subject}", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(key)))
        query = self._query().where(col(ExternalIdentity.issuer) == issuer, col(ExternalIdentity.subject) == subject)
        return await self._first(query.with_for_update().execution_options(populate_existing=True))

    async def erase(self, user_id: UUID) -> int:
        """Remove all of somebody's identities; how many there were."""
        return await self._writing.rowcount(delete(ExternalIdentity).where(col(ExternalIdentity.user_id) == user_id))


class OwnIdentityRepository(OwnedRepository[ExternalIdentity]):
    model = ExternalIdentity
    not_found = IdentityNotFound
    sortable = ("created_at",)


class OnceRepository:
    """What works once."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def use(self, mark: bytes, *, until: datetime) -> bool:
        """Whether this is the first use. Of two at once, one is."""
        made = insert(UsedMark).values(mark=mark, expires_at=until).on_conflict_do_nothing()
        return await self._session.rowcount(made) == 1

    async def take_code(self, code_hash: bytes) -> ExchangeCode | None:
        """Remove a code that is still valid; what it stood for. Of two at once, one gets it."""
        where = (col(ExchangeCode.code_hash) == code_hash, col(ExchangeCode.expires_at) > func.now())
        taken = delete(ExchangeCode).where(*where).returning(ExchangeCode)
        return cast("ExchangeCode | None", (await self._session.scalars(taken)).one_or_none())

    async def revoke_codes(self, user_id: UUID) -> None:
        """Remove the codes that would start sessions of this user."""
        await self._session.execute(delete(ExchangeCode).where(col(ExchangeCode.user_id) == user_id))

    async def forget(self, before: datetime) -> int:
        """Remove what expired before this moment."""
        removed = await self._session.rowcount(delete(UsedMark).where(col(UsedMark.expires_at) < before))
        return removed + await self._session.rowcount(delete(ExchangeCode).where(col(ExchangeCode.expires_at) < before))


async def own_identities(session: ReadSession, user_id: UUID) -> Sequence[ExternalIdentity]:
    """All identities of somebody, the earliest first."""
    query = select(ExternalIdentity).where(col(ExternalIdentity.user_id) == user_id)
    return (await session.scalars(query.order_by(col(ExternalIdentity.created_at), col(ExternalIdentity.id)))).all()
