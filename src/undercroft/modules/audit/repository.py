"""Statements of the audit log: inserts, queries, erasure and monthly partitions."""

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, Text, cast, func, inspect, or_, select, text
from sqlalchemy.dialects import postgresql
from sqlmodel import col

from undercroft.core.audit import ActorKind
from undercroft.core.db import Paging, Repository, RowPage, Session, Statement
from undercroft.core.db.repository import FIRST_PAGE
from undercroft.core.db.session import DeferredWrite
from undercroft.core.db.statement import WithCte
from undercroft.modules.audit.models import AuditEntry, AuditPersonalData
from undercroft.modules.audit.schemas import AuditFilter
from undercroft.modules.teams import Membership
from undercroft.modules.users import User

_COLUMNS = inspect(AuditEntry).local_table.columns
_COLUMN_NAMES = ", ".join(_COLUMNS.keys())
_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_COLUMN_DEFINITIONS = ", ".join(f"{each.name} {each.type.compile(_DIALECT)}" for each in _COLUMNS)

INSERT_ENTRY_CTE = f"""
entry AS (
    SELECT * FROM jsonb_to_record(CAST(CAST(:audit AS text) AS jsonb)) AS e ({_COLUMN_DEFINITIONS}, personal jsonb)
    WHERE EXISTS (SELECT FROM written)
), stored_entry AS (
    INSERT INTO audit_entries ({_COLUMN_NAMES}) SELECT {_COLUMN_NAMES} FROM entry
), stored_personal AS (
    INSERT INTO audit_personal (occurred_at, entry_id, part, person_id, values)
    SELECT entry.occurred_at, entry.id, p.part, p.person_id, p.values
    FROM entry, jsonb_to_recordset(entry.personal) AS p (part text, person_id uuid, values jsonb)
)
"""  # noqa: S608 - only constants

INSERT_ENTRY = WithCte(Statement(text("SELECT 1 AS one")), INSERT_ENTRY_CTE)


async def insert_entry(session: Session, encoded: str) -> None:
    """Insert an entry, given as JSON with its personal values as `personal`."""
    await session.fetch(INSERT_ENTRY, audit=encoded)


async def write_with_entry(
    session: Session, statement: Statement, encoded: str, values: dict[str, Any]
) -> DeferredWrite:
    return await session.write_one(_with_audit_entry(statement), **values, audit=encoded)


@cache
def _with_audit_entry(statement: Statement) -> Statement:
    return WithCte(statement, INSERT_ENTRY_CTE)


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
    select(col(Membership.id))
    .where(col(Membership.user_id) == col(AuditEntry.user_id), col(Membership.team_id) == col(AuditEntry.team_id))
    .correlate(AuditEntry)
    .exists()
    .label("is_member"),
]


class AuditRepository(Repository[Any]):
    """Entries, newest first, with their personal values and the current data of their users."""

    model = AuditEntry

    async def list(self, paging: Paging = FIRST_PAGE, *where: ColumnElement[bool]) -> RowPage[Row[Any]]:
        query = select(*COLUMNS).outerjoin(User, col(User.id) == col(AuditEntry.user_id)).where(*where)
        if paging.keyset:
            return await self._rows_after(query, paging)
        newest_first = query.order_by(*(column.desc() for column in self._position()))
        return await self._page(newest_first, paging, counted=select(col(AuditEntry.id)).where(*where))

    def _position(self) -> tuple[Any, Any]:
        return col(AuditEntry.occurred_at), col(AuditEntry.id)


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


_ERASE = Statement(text("SELECT audit_erase(CAST(:person AS uuid)) AS erased"))


async def erase_values(session: Session, person_id: UUID) -> int:
    """Erase the values about a deleted user with all former addresses, or about a purged team; return the row count.

    Raises asyncpg's `InsufficientPrivilegeError` if the account or the team still exists.
    """
    row = await session.fetchrow(_ERASE, person=person_id)
    assert row is not None
    erased: int = row["erased"]
    return erased


MONTHS_AHEAD = 12

_ADD = Statement(text("SELECT audit_add_partitions(CAST(:months AS integer)) AS created"))
_LOCK = Statement(text("SELECT pg_advisory_xact_lock(hashtextextended('audit.partitions', 0)) AS locked"))
"""Serializes changes of partitions until the transaction ends; `audit_add_partitions` takes the same lock."""
_PARTITIONS = Statement(
    text(
        "SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
        "WHERE i.inhparent = CAST(CAST(:parent AS text) AS regclass) ORDER BY c.relname"
    )
)


class PartitionRepository:
    def __init__(self, session: Session) -> None:
        self._session = session

    async def add(self) -> int:
        """Create missing partitions for this month and the next 12; return the number created."""
        row = await self._session.fetchrow(_ADD, months=MONTHS_AHEAD)
        assert row is not None
        created: int = row["created"]
        return created

    async def lock(self) -> None:
        """Lock the partitions against changes by other transactions until this one ends."""
        await self._session.fetchrow(_LOCK)

    async def list(self, parent: str) -> Sequence[str]:
        """Return the names of the partitions of a table, in alphabetical order."""
        return [row["name"] for row in await self._session.fetch(_PARTITIONS, parent=parent)]

    async def stats(self, partition: str) -> tuple[int, datetime | None]:
        """Return the number of rows and the time of the newest."""
        query = f"SELECT count(*) AS count, max(occurred_at) AS newest FROM {partition}"  # noqa: S608 - from the catalog
        found = await (await self._session.raw()).fetchrow(query)
        return found["count"], found["newest"]

    async def drop(self, parent: str, partition: str, *, is_default: bool) -> None:
        """Drop a partition. The default partition is created again."""
        connection = await self._session.raw()
        await connection.execute(f"DROP TABLE IF EXISTS {partition}")
        if is_default:
            await connection.execute(f"SELECT audit_partition('{parent}', '{partition}', 'DEFAULT')")
