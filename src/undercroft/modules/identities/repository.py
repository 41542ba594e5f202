"""Queries of external identities."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, LargeBinary, String, bindparam, delete, exists, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import col

from undercroft.core.db import OwnedRepository, Repository
from undercroft.core.security.tokens import hash_token
from undercroft.modules.identities.errors import IdentityNotFound
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity, UsedMark

_NOT_BLOCKED = or_(
    col(ExternalIdentity.blocked_until).is_(None),
    col(ExternalIdentity.blocked_until) <= func.now(),
)
IDENTITY_CONDITIONS = (
    col(ExternalIdentity.issuer) == bindparam("issuer", type_=String),
    col(ExternalIdentity.subject) == bindparam("subject", type_=String),
    _NOT_BLOCKED,
    ~exists().where(col(UsedMark.mark) == bindparam("session_mark", type_=LargeBinary)),
)
"""Conditions of the statement that finds the user of an external token, with the parameters of `VerifiedToken`."""


def is_known_user(user_id: Any, issuer: str) -> ColumnElement[bool]:
    """Return the condition that the issuer knows the user in this ID column and has not blocked it."""
    known = col(ExternalIdentity.user_id) == user_id, col(ExternalIdentity.issuer) == issuer
    return exists().where(*known, _NOT_BLOCKED)


class IdentityRepository(Repository[ExternalIdentity]):
    model = ExternalIdentity
    not_found = IdentityNotFound

    async def lock_by_subject(self, issuer: str, subject: str) -> ExternalIdentity | None:
        """Return the identity, if it exists, and lock it: no other transaction can create or change it."""
        key = func.hashtextextended(f"external_identities {issuer} {subject}", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(key)))
        query = self._query().where(col(ExternalIdentity.issuer) == issuer, col(ExternalIdentity.subject) == subject)
        return await self._first(query.with_for_update().execution_options(populate_existing=True))

    async def find_by_issuer(self, user_id: UUID, issuer: str) -> ExternalIdentity | None:
        query = self._query().where(col(ExternalIdentity.user_id) == user_id, col(ExternalIdentity.issuer) == issuer)
        return await self._first(query.order_by(col(ExternalIdentity.created_at), col(ExternalIdentity.id)).limit(1))

    async def lock_pending_emails(self) -> None:
        """Prevent other transactions from applying pending addresses until this one ends."""
        key = func.hashtextextended("external_identities.pending_email", 0)
        await self._session.execute(select(func.pg_advisory_xact_lock(key)))

    async def list_pending(self, email: str | None = None) -> Sequence[UUID]:
        """Return the IDs of identities with a pending address, or only with this one."""
        pending = col(ExternalIdentity.pending_email)
        query = select(col(ExternalIdentity.id)).where(pending.is_not(None) if email is None else pending == email)
        return (await self._session.scalars(query.order_by(col(ExternalIdentity.id)))).all()

    async def delete_tombstones(self, before: datetime) -> int:
        return await self._delete(col(ExternalIdentity.user_id).is_(None), col(ExternalIdentity.updated_at) < before)


class UserIdentityRepository(OwnedRepository[ExternalIdentity]):
    model = ExternalIdentity
    not_found = IdentityNotFound
    sortable = ("created_at",)


class SingleUseRepository(Repository[UsedMark]):
    """Single-use marks and codes."""

    model = UsedMark

    async def use(self, mark: bytes, *, until: datetime) -> bool:
        """Record a use. Returns True for the first use, and for only one of two concurrent uses."""
        statement = insert(UsedMark).values(mark=mark, expires_at=until).on_conflict_do_nothing()
        return await self._write_session.rowcount(statement) == 1

    async def consume_code(self, code_hash: bytes) -> ExchangeCode | None:
        """Delete and return an unexpired code. Only one of two concurrent calls gets it."""
        where = (col(ExchangeCode.code_hash) == code_hash, col(ExchangeCode.expires_at) > func.now())
        statement = delete(ExchangeCode).where(*where).returning(ExchangeCode)
        return cast("ExchangeCode | None", (await self._write_session.scalars(statement)).one_or_none())

    async def revoke_codes(self, user_id: UUID) -> None:
        await self._write_session.execute(delete(ExchangeCode).where(col(ExchangeCode.user_id) == user_id))

    async def delete_expired(self, before: datetime) -> int:
        """Delete marks and codes that expired before this time. Returns their number."""
        codes = await self._write_session.rowcount(delete(ExchangeCode).where(col(ExchangeCode.expires_at) < before))
        return codes + await self._delete(col(UsedMark.expires_at) < before)


def session_mark(issuer: str, session_id: str) -> bytes:
    """Return the mark that is stored when a session at the issuer ends."""
    return hash_token(f"session {issuer} {session_id}")
