"""The queries of a resource. Those without search, filters and sort order are compiled once."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, TypeVar
from uuid import UUID

from sqlalchemy import BigInteger, ColumnElement, Select, Table, bindparam, func, insert, select
from sqlmodel import SQLModel

from undercroft.core.audit import Entry, write_one
from undercroft.core.db import Paging, RowPage, Statement, TenantOwned, TenantRepository
from undercroft.core.db.repository import FIRST_PAGE
from undercroft.core.model_classes import model_classes

T = TypeVar("T", bound=TenantOwned)
Row = Mapping[str, Any]


class CrudRepository(TenantRepository[T]):
    """Rows of one team as mappings with the columns that a resource shows; methods that lock return models."""

    columns: tuple[str, ...] = ()

    async def read(self, key: UUID) -> Row:
        """The row with this id. Raises `not_found`."""
        row: Row | None = await self._session.fetchrow(
            _select_by_id(self.model, self.columns), id=key, team_id=self.team_id
        )
        if row is None:
            raise self.not_found()
        return row

    async def list_rows(self, paging: Paging = FIRST_PAGE, *where: ColumnElement[bool]) -> RowPage[Row]:
        """Part of the rows, newest first by default. Raises `UnknownSort`."""
        if where or paging.q or paging.sort or paging.keyset or self.default_sort != "-created_at":
            return (await self._list_columns(paging, where)).map(self._to_mapping)
        values = {"team_id": self.team_id, "size": paging.size, "offset": (paging.page - 1) * paging.size}
        rows = await self._session.fetch(_select_newest(self.model, self.columns), **values)
        if rows:
            return RowPage(rows, paging, rows[0]["total"])
        return RowPage(rows, paging, await self.count() if paging.page > 1 else 0)

    def _to_mapping(self, row: Sequence[Any]) -> Row:
        return dict(zip(self.columns, row, strict=False))  # followed by the total or the position

    async def insert(self, row: Row, entry: Entry) -> None:
        """Insert a row and its audit entry in one statement, which may wait until the session ends.

        The caller provides every value: constructing a model costs as much as the statement.
        """
        await write_one(self._write_session, _insert(self.model, tuple(row)), entry, **row)

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
        query = self._query().where(*where, *self._search_filters(paging.q))
        query = query.with_only_columns(*(self._column(name) for name in self.columns))
        if paging.keyset:
            return await self._rows_after(query, paging)
        return await self._page(query.order_by(*self._order(paging.sort)), paging)


def table_of(model: type[SQLModel]) -> Table:
    """The table of a model."""
    table: Table = model.__table__  # type: ignore[attr-defined]
    return table


@cache
def _select_by_id(model: type[TenantOwned], columns: tuple[str, ...]) -> Statement:
    table = table_of(model)
    query = select(*(table.c[name] for name in columns)).where(table.c.id == bindparam("id"))
    return Statement(query.where(*_in_team(table)))


@cache
def _select_newest(model: type[TenantOwned], columns: tuple[str, ...]) -> Statement:
    table = table_of(model)
    total = select(func.count()).select_from(table).where(*_in_team(table)).scalar_subquery().label("total")
    return Statement(
        select(*(table.c[name] for name in columns), total)
        .where(*_in_team(table))
        .order_by(table.c.created_at.desc(), table.c.id.desc())
        .limit(bindparam("size", type_=BigInteger))
        .offset(bindparam("offset", type_=BigInteger))
    )


@cache
def _insert(model: type[TenantOwned], columns: tuple[str, ...]) -> Statement:
    table = table_of(model)
    return Statement(insert(table).values({name: bindparam(name) for name in columns}).returning(table.c.id))


def _in_team(table: Table) -> Sequence[ColumnElement[bool]]:
    deleted = [table.c.deleted_at.is_(None)] if "deleted_at" in table.c else []
    return [table.c.team_id == bindparam("team_id"), *deleted]
