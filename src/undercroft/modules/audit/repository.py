"""Queries for the audit log."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Select, Text, cast, func, or_, select, tuple_
from sqlmodel import col

from undercroft.core.audit import ActorKind
from undercroft.core.db import ReadSession
from undercroft.core.db.repository import Position
from undercroft.modules.audit.models import AuditEntry, AuditPersonalData
from undercroft.modules.audit.schemas import AuditFilter
from undercroft.modules.users import User

PERSONAL_VALUES = (
    select(func.jsonb_object_agg(col(AuditPersonalData.part), col(AuditPersonalData.values)))
    .where(col(AuditPersonalData.entry_id) == col(AuditEntry.id))
    .where(col(AuditPersonalData.occurred_at) == col(AuditEntry.occurred_at))
    .correlate(AuditEntry)
    .scalar_subquery()
)
COLUMNS = [
    *(col(getattr(AuditEntry, name)) for name in AuditEntry.model_fields),
    PERSONAL_VALUES.label("personal_values"),
    col(User.email),
    col(User.full_name),
    col(User.role),
]
SORT_KEY = tuple_(col(AuditEntry.occurred_at), col(AuditEntry.id))
NEWEST_FIRST = (col(AuditEntry.occurred_at).desc(), col(AuditEntry.id).desc())


class AuditRepository:
    """Entries, newest first, with their personal values and the current data of their users."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def page(self, where: Sequence[ColumnElement[bool]], *, page: int, size: int) -> tuple[Sequence[Any], int]:
        """List one page, counted from 1, with the total count."""
        total = select(func.count()).select_from(AuditEntry).where(*where).scalar_subquery()
        rows = await self._rows(_entries(where).limit(size).offset((page - 1) * size).add_columns(total))
        if rows:
            return rows, rows[0][-1]
        return rows, await self._session.scalar(select(total)) if page > 1 else 0

    async def list_after(
        self, where: Sequence[ColumnElement[bool]], *, after: Position | None, limit: int
    ) -> tuple[Sequence[Any], Position | None]:
        """List up to `limit` entries after a position; return them with the next position, or None at the end."""
        query = _entries(where)
        if after is not None:
            query = query.where(tuple_(after.created_at, after.id) > SORT_KEY)
        rows = await self._rows(query.limit(limit + 1))
        if len(rows) <= limit:
            return rows, None
        last = rows[limit - 1]
        return rows[:limit], Position(last.occurred_at, last.id)

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        return (await self._session.execute(query)).all()


def _entries(where: Sequence[ColumnElement[bool]]) -> Select[Any]:
    of_user = col(User.id) == col(AuditEntry.user_id)
    return select(*COLUMNS).outerjoin(User, of_user).where(*where).order_by(*NEWEST_FIRST)


def build_filters(filters: AuditFilter, *, team_id: UUID | None = None) -> list[ColumnElement[bool]]:
    """Build the conditions of a request, within one team if one is given."""
    where: list[ColumnElement[bool]] = []
    if team_id is not None:
        where.append(col(AuditEntry.team_id) == team_id)
    if filters.actor is not None:
        where.append(_actor_filter(filters.actor))
    if filters.action is not None:
        name = cast(col(AuditEntry.action), Text)
        whole, every = filters.action, filters.action.endswith(".*")
        where.append(name.startswith(whole[:-1], autoescape=True) if every else name == whole)
    if filters.target is not None:
        where += _target_filters(filters.target)
    if filters.request_id is not None:
        where.append(col(AuditEntry.request_id) == filters.request_id)
    if filters.since is not None:
        where.append(col(AuditEntry.occurred_at) >= filters.since)
    if filters.until is not None:
        where.append(col(AuditEntry.occurred_at) < filters.until)
    return where


def _actor_filter(actor: UUID | ActorKind) -> ColumnElement[bool]:
    if isinstance(actor, ActorKind):
        return col(AuditEntry.actor_kind) == actor.value
    who = (AuditEntry.user_id, AuditEntry.impersonator_id, AuditEntry.api_key_id, AuditEntry.job_id)
    return or_(*(col(column) == actor for column in who))


def _target_filters(target: str) -> list[ColumnElement[bool]]:
    kind, colon, identity = target.partition(":")
    if not colon:
        kind, identity = ("", target) if len(target) == 36 else (target, "")
    where: list[ColumnElement[bool]] = []
    if kind:
        where.append(col(AuditEntry.target_type) == kind)
    if identity:
        where.append(col(AuditEntry.target_id) == UUID(identity))
    return where
