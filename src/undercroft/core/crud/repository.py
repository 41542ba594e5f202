"""The queries of a resource. Those without search, filters and sort order are compiled once."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Table, bindparam, func, insert, select

from undercroft.core.audit import Entry, write_one
from undercroft.core.db import Paging, RowPage, Statement, TenantOwned, TenantRepository
from undercroft.core.db.entity_fields import EntityFields, entity_fields
from undercroft.core.db.extra_fields import table_of
from undercroft.core.db.repository import FIRST_PAGE
from undercroft.core.db.statement import WithCte
from undercroft.core.model_classes import model_classes

T = TypeVar("T", bound=TenantOwned)
Row = Mapping[str, Any]


class CrudRepository(TenantRepository[T]):
    """Rows of one team as mappings with the columns that a resource shows; methods that lock return models."""

    columns: tuple[str, ...] = ()

    async def read(self, key: UUID) -> Row:
        """The row with this id. Raises `not_found`."""
        statement = _select_by_id(self.model, self.columns, entity_fields(self.model))
        row: Row | None = await self._session.fetchrow(statement, id=key, team_id=self.team_id)
        if row is None:
            raise self.not_found()
        return row

    async def list_rows(self, paging: Paging = FIRST_PAGE, *where: ColumnElement[bool]) -> RowPage[Row]:
        """Part of the rows, newest first by default. Raises `UnknownSort`."""
        if where or paging.q or paging.sort or paging.keyset or paging.filters or self.default_sort != "-created_at":
            names = self.names
            return (await self._list_columns(paging, where)).map(lambda row: _to_mapping(names, row))
        values = {"team_id": self.team_id, "size": paging.size, "offset": (paging.page - 1) * paging.size}
        statement = _select_newest(self.model, self.columns, entity_fields(self.model))
        rows = await self._session.fetch(statement, **values)
        if rows:
            return RowPage(rows, paging, rows[0]["total"])
        return RowPage(rows, paging, await self.count() if paging.page > 1 else 0)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the columns, and of the fields that extensions add."""
        fields = entity_fields(self.model)
        return (*self.columns, *fields.defaults) if fields else self.columns

    async def insert(self, row: Row, entry: Entry, extra: Row | None = None) -> None:
        """Insert a row and its audit entry in one statement, which may wait until the session ends.

        The caller provides every value: constructing a model costs as much as the statement. `extra` are values of
        fields that extensions add to the entity.
        """
        fields = entity_fields(self.model) if extra else None
        if fields is None or not extra:
            await write_one(self._write_session, _insert(self.model, tuple(row)), entry, **row)
        else:
            statement = _insert_with_fields(self.model, tuple(row), fields, tuple(extra))
            await write_one(self._write_session, statement, entry, **row, **extra)

    async def is_reference_valid(self, field: str, key: UUID) -> bool:
        """Whether the row to which a column refers exists, in the same team if it belongs to a team.

        Locks it until the transaction ends, so that it cannot be deleted.
        """
        return await self._write_session.scalar(self._reference_query(field, key)) is not None

    def _reference_query(self, field: str, key: UUID) -> Select[Any]:
        (foreign_key,) = table_of(self.model).c[field].foreign_keys
        target = foreign_key.column.table
        query = select(foreign_key.column).where(foreign_key.column == key)
        model = next((each for each in model_classes(TenantOwned) if table_of(each) is target), None)
        if model is not None:
            query = query.where(target.c.team_id == self.team_id)
        if "deleted_at" in target.c:
            query = query.where(target.c.deleted_at.is_(None))
        return query.with_for_update(read=True, key_share=True)

    async def _list_columns(self, paging: Paging, where: Sequence[ColumnElement[bool]]) -> RowPage[Any]:
        query = self._query().where(*where, *self.matching(**paging.filters), *self._search_filters(paging.q))
        query = query.with_only_columns(*(self._column(name) for name in self.columns))
        if fields := entity_fields(self.model):
            query = fields.join(query)
        if paging.keyset:
            return await self._rows_after(query, paging)
        return await self._page(query.order_by(*self._order(paging.sort)), paging)


def _to_mapping(names: tuple[str, ...], row: Sequence[Any]) -> Row:
    return dict(zip(names, row, strict=False))  # followed by the total or the position


@cache
def _select_by_id(model: type[TenantOwned], columns: tuple[str, ...], fields: EntityFields | None) -> Statement:
    table = table_of(model)
    query = select(*(table.c[name] for name in columns)).where(table.c.id == bindparam("id"), *_in_team(table))
    return Statement(fields.join(query) if fields else query)


@cache
def _select_newest(model: type[TenantOwned], columns: tuple[str, ...], fields: EntityFields | None) -> Statement:
    table = table_of(model)
    total = select(func.count()).select_from(table).where(*_in_team(table)).scalar_subquery().label("total")
    query = (
        select(*(table.c[name] for name in columns), total)
        .where(*_in_team(table))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(bindparam("size", type_=BigInteger))
        .offset(bindparam("offset", type_=BigInteger))
    )
    return Statement(fields.join(query) if fields else query)


@cache
def _insert(model: type[TenantOwned], columns: tuple[str, ...]) -> Statement:
    table = table_of(model)
    return Statement(insert(table).values({name: bindparam(name) for name in columns}).returning(table.c.id))


@cache
def _insert_with_fields(
    model: type[TenantOwned], columns: tuple[str, ...], fields: EntityFields, extra: tuple[str, ...]
) -> Statement:
    table = table_of(model)
    row = insert(table).values({name: bindparam(name) for name in columns}).returning(table.c.id, table.c.team_id)
    return WithCte(Statement(row), fields.insert_statements(extra))


def _in_team(table: Table) -> Sequence[ColumnElement[bool]]:
    deleted = [table.c.deleted_at.is_(None)] if "deleted_at" in table.c else []
    return [table.c.team_id == bindparam("team_id"), *deleted]
