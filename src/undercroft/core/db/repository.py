"""The generic repository: all queries of a model, as named methods. Services contain no queries.

    class ProjectRepository(TenantRepository[Project]):
        model = Project
        searchable = ("name", "description")
        sortable = ("created_at", "name")

Soft-deleted rows are excluded unless a method includes them. Methods that only read work with both kinds of session;
those that write need a `Session`.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, ColumnExpressionArgument, Row, Select, delete, func, or_, select, tuple_, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute
from sqlmodel import SQLModel

from undercroft.core.db.entity_fields import entity_fields
from undercroft.core.db.models import SoftDeleted, TenantOwned, Timestamped, utc_now
from undercroft.core.db.read_session import ReadSession
from undercroft.core.db.session import Session
from undercroft.core.db.tenancy import ALL_TENANTS, TenantContextMissing, current_tenant
from undercroft.core.errors import NotFound, Unprocessable

M = TypeVar("M", bound=SQLModel)
T = TypeVar("T", bound=TenantOwned)
R = TypeVar("R")
S = TypeVar("S")

DEFAULT_SIZE = 20
"""Items of a page, unless the client chooses another size (`core.http.pagination` limits it)."""


class UnknownSort(Unprocessable):
    code = "UNKNOWN_SORT"
    message = "Unknown sort field. Use one of `details.allowed`."


class Position(Struct, frozen=True):
    """A position in a keyset query: the last row of the previous page."""

    created_at: datetime
    id: UUID


class Paging(Struct, frozen=True):
    """The part of a list to return: a page by its number, starting at 1, or with `keyset` the rows after a position.

    `size` is the maximum number of rows, `q` a search text, and `sort` a column, `-name` for descending. `filters` are
    the values of columns, as in `Repository.matching`.
    """

    page: int = 1
    size: int = DEFAULT_SIZE
    keyset: bool = False
    after: Position | None = None
    q: str | None = None
    sort: str | None = None
    filters: Mapping[str, Any] = {}


FIRST_PAGE = Paging()


class RowPage(Struct, Generic[R], frozen=True):
    """Part of a list: a page with the `total` number of rows, or rows with the `next` position, None at the end."""

    items: Sequence[R]
    paging: Paging
    total: int | None = None
    next: Position | None = None

    def map(self, convert: Callable[[R], S]) -> "RowPage[S]":
        """The same part with converted items."""
        return RowPage([convert(item) for item in self.items], self.paging, self.total, self.next)


class Repository(Generic[M]):
    """Queries of one model. `q` searches the `searchable` columns, `sort` takes the `sortable` ones, `-name`
    descending. Only rows of `Identified` models can be found by their id.
    """

    model: type[M]
    not_found: ClassVar[type[NotFound]] = NotFound
    searchable: ClassVar[tuple[str, ...]] = ()
    sortable: ClassVar[tuple[str, ...]] = ("created_at",)
    default_sort: ClassVar[str] = "-created_at"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        model = cls.__dict__.get("model")
        if isinstance(model, type) and issubclass(model, TenantOwned) and not issubclass(cls, TenantRepository):
            raise TypeError(f"{model.__name__} rows belong to a team: derive {cls.__name__} from TenantRepository.")

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def get(self, key: UUID, *, deleted: bool = False) -> M:
        """The row with this id. Raises the repository's `not_found`."""
        row = await self.find(key, deleted=deleted)
        if row is None:
            raise self.not_found()
        return row

    async def find(self, key: UUID, *, deleted: bool = False) -> M | None:
        """The row with this id, or None; with `deleted` among the soft-deleted rows instead."""
        return await self._first(self._query(deleted=deleted).where(self._column("id") == key))

    async def lock(self, key: UUID, *, deleted: bool = False, no_key: bool = False) -> M:
        """The row with this id, locked (FOR UPDATE) until the transaction ends. Raises `not_found`.

        With `no_key` (FOR NO KEY UPDATE), inserts of rows that only refer to it do not wait.
        """
        query = self._query(deleted=deleted).where(self._column("id") == key).with_for_update(key_share=no_key)
        row = await self._first(query.execution_options(populate_existing=True))
        if row is None:
            raise self.not_found()
        return row

    async def get_by(self, **values: Any) -> M | None:
        """The first row with these column values, or None."""
        return await self._first(self._query().where(*self._equal(values)).limit(1))

    async def list(self, paging: Paging = FIRST_PAGE, *where: ColumnElement[bool]) -> RowPage[M]:
        """Part of the rows, in one statement. Raises `UnknownSort`.

        A keyset query is newest first, without a total, and equally fast on large tables.
        """
        query = self._query().where(*where, *self.matching(**paging.filters), *self._search_filters(paging.q))
        if paging.keyset:
            return (await self._rows_after(query, paging)).map(_first_column)
        return (await self._page(query.order_by(*self._order(paging.sort)), paging)).map(_first_column)

    @classmethod
    def matching(cls, **values: Any) -> Sequence[ColumnElement[bool]]:
        """Conditions for `list` and `count`: these columns have these values, of which None matches everything.

        A name may be that of a field that extensions add to the entity.
        """
        return [_equals(cls.model, name, value) for name, value in values.items() if value is not None]

    async def count(self, *where: ColumnElement[bool], deleted: bool = False) -> int:
        """The number of rows, or of soft-deleted rows."""
        return await self._count(self._query(deleted=deleted).where(*where))

    async def count_by(self, **values: Any) -> int:
        """The number of rows with these column values."""
        return await self.count(*self._equal(values))

    async def create(self, row: M, extra: Mapping[str, Any] | None = None) -> M:
        """Insert a row immediately, so that constraint violations are raised here.

        `extra` are values of fields that extensions add to the entity.
        """
        fields = entity_fields(self.model)
        if fields is not None and extra:
            await fields.insert(self._write_session, row, extra)
            return row
        self._write_session.add(row)
        await self._write_session.flush()
        return row if fields is None else fields.attach_defaults(row)

    async def create_many(self, rows: Iterable[M]) -> Sequence[M]:
        """Insert several rows."""
        rows = list(rows)
        self._write_session.add_all(rows)
        await self._write_session.flush()
        return rows

    async def update(self, row: M, changes: Mapping[str, Any]) -> M:
        """Update these columns. Raises `StaleDataError` if a `Versioned` row changed in the meantime."""
        fields = entity_fields(self.model)
        if fields is not None and not fields.names.isdisjoint(changes):
            await fields.update(self._write_session, row, changes)
            return row
        for name, value in changes.items():
            setattr(row, name, value)
        await self._write_session.flush()
        return row

    async def upsert(self, row: M, *, on: Sequence[str], update: Sequence[str]) -> M:
        """Insert, or update the named columns of the row that has the same values in the unique columns `on`."""
        values = row.model_dump()
        statement = insert(self.model).values(**values)
        changed: dict[str, Any] = {name: statement.excluded[name] for name in update}
        if issubclass(self.model, Timestamped):
            changed["updated_at"] = utc_now()
        statement = statement.on_conflict_do_update(index_elements=list(on), set_=changed)
        orm = select(self.model).from_statement(statement.returning(self.model))
        return cast(M, (await self._write_session.scalars(orm.execution_options(populate_existing=True))).one())

    async def delete(self, row: M) -> None:
        """Delete the row permanently."""
        await self._write_session.delete(row)
        await self._write_session.flush()

    async def delete_by(self, **values: Any) -> int:
        """Delete the rows with these column values permanently; return their number.

        Raises `ValueError` without values.
        """
        return await self._delete(*self._equal(values))

    async def soft_delete(self, row: M) -> None:
        """Hide the row until it is restored."""
        await self.update(row, {"deleted_at": utc_now()})

    async def restore(self, row: M) -> M:
        """Restore a soft-deleted row."""
        return await self.update(row, {"deleted_at": None})

    @property
    def _write_session(self) -> Session:
        if not isinstance(self._session, Session):
            raise TypeError(f"{type(self).__name__} needs a Session to write; it has a ReadSession.")
        return self._session

    async def _update(self, *where: ColumnExpressionArgument[bool], **values: Any) -> int:
        """Update these columns of all matching rows in one statement; return their number."""
        statement = update(self.model).where(*self._changeable(where)).values(**values)
        return await self._write_session.rowcount(statement)

    async def _delete(self, *where: ColumnExpressionArgument[bool]) -> int:
        """Delete all matching rows in one statement; return their number."""
        return await self._write_session.rowcount(delete(self.model).where(*self._changeable(where)))

    def _accessible(self, where: Iterable[ColumnExpressionArgument[bool]]) -> Sequence[ColumnExpressionArgument[bool]]:
        """These conditions and those of `_query`, which limit the repository to some rows."""
        limit = self._query().whereclause
        return [*where] if limit is None else [limit, *where]

    def _changeable(self, where: Sequence[ColumnExpressionArgument[bool]]) -> Sequence[ColumnExpressionArgument[bool]]:
        """The same. Raises `ValueError` without a condition, so that nothing changes a whole table by mistake."""
        if not where:
            raise ValueError(f"Name the rows of {self.model.__name__} to change.")
        return self._accessible(where)

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        """The rows that this repository may access; every query starts here."""
        query = select(self.model)
        if issubclass(self.model, SoftDeleted):
            column = self._column("deleted_at")
            query = query.where(column.is_not(None) if deleted else column.is_(None))
        return query

    def _column(self, name: str) -> InstrumentedAttribute[Any]:
        return cast("InstrumentedAttribute[Any]", getattr(self.model, name))

    def _equal(self, values: Mapping[str, Any]) -> Sequence[ColumnElement[bool]]:
        return [self._column(name) == value for name, value in values.items()]

    def _search_filters(self, q: str | None) -> Sequence[ColumnElement[bool]]:
        if not q or not self.searchable:
            return []
        return [or_(*(self._column(name).icontains(q, autoescape=True) for name in self.searchable))]

    def _order(self, sort: str | None) -> Sequence[ColumnElement[Any]]:
        wanted = sort or self.default_sort
        name = wanted.removeprefix("-")
        columns = [self._sort_key(name), *([self._column("id")] if name != "id" else [])]
        return [column.desc() if wanted.startswith("-") else column.asc() for column in columns]

    def _sort_key(self, name: str) -> Any:
        """A column, or a field that extensions add to the entity, which `_rows` joins. Raises `UnknownSort`."""
        if name in self.sortable:
            return self._column(name)
        fields = entity_fields(self.model)
        if fields is not None and name in fields.sortable:
            return fields.sort_key(name)
        allowed = [*self.sortable, *(fields.sortable if fields else ())]
        raise UnknownSort(details={"sort": name[:100], "allowed": allowed})

    async def _first(self, query: Select[Any]) -> M | None:
        rows = await self._rows(query)
        return cast(M, rows[0][0]) if rows else None

    async def _rows(self, query: Select[Any]) -> Sequence[Row[Any]]:
        """The rows of a query. Models have the fields that extensions add to them."""
        fields = entity_fields(self.model)
        if fields is not None and fields.is_selected(query):
            return await fields.fetch(self._session, query)
        return (await self._session.execute(query)).all()

    async def _page(
        self, query: Select[Any], paging: Paging, *, counted: Select[Any] | None = None
    ) -> RowPage[Row[Any]]:
        """The rows of one page of an ordered query, and the total in one statement, except after the last page.

        `counted` is a cheaper query with the same number of rows. Each row has the total as its last column.
        """
        counted = query.order_by(None) if counted is None else counted
        total = select(func.count()).select_from(counted.subquery()).scalar_subquery()
        limited = query.add_columns(total).limit(paging.size).offset((paging.page - 1) * paging.size)
        rows = await self._rows(limited)
        if rows:
            return RowPage(rows, paging, rows[0][-1])
        return RowPage(rows, paging, await self._count(counted) if paging.page > 1 else 0)

    async def _rows_after(self, query: Select[Any], paging: Paging) -> RowPage[Row[Any]]:
        """The rows of a query after a position, newest first. Each row has its position as the last two columns."""
        created_at, key = self._position()
        if paging.after is not None:
            query = query.where(tuple_(created_at, key) < tuple_(paging.after.created_at, paging.after.id))
        query = query.add_columns(created_at, key).order_by(created_at.desc(), key.desc()).limit(paging.size + 1)
        rows = await self._rows(query)
        last: Any = rows[paging.size - 1] if len(rows) > paging.size else None
        return RowPage(rows[: paging.size], paging, next=Position(last[-2], last[-1]) if last else None)

    def _position(self) -> tuple[Any, Any]:
        """The columns of the position in a keyset query."""
        return self._column("created_at"), self._column("id")

    async def _count(self, query: Select[Any]) -> int:
        return cast(int, await self._session.scalar(select(func.count()).select_from(query.subquery())))


class OwnedRepository(Repository[M]):
    """Rows of one user: `owner_column` is the column with the user's id."""

    owner_column: ClassVar[str] = "user_id"

    def __init__(self, session: ReadSession, owner_id: UUID) -> None:
        super().__init__(session)
        self.owner_id = owner_id

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(self._column(self.owner_column) == self.owner_id)


class TenantRepository(Repository[T]):
    """Rows of one team. It requires a team, and neither reads nor writes another team's rows.

    With row-level security on, it also requires the tenant context of that team: in a request the current team,
    elsewhere `with tenant(team_id)`. Otherwise it raises `TenantContextMissing`, because the database would return no
    rows.
    """

    def __init__(self, session: ReadSession, team_id: UUID) -> None:
        super().__init__(session)
        self.team_id = team_id
        if session.rls_enabled and current_tenant() not in (team_id, ALL_TENANTS):
            raise TenantContextMissing(
                f"{type(self).__name__} is for team {team_id}, but the tenant context is {_describe_tenant()}."
            )

    async def create(self, row: T, extra: Mapping[str, Any] | None = None) -> T:
        row.team_id = self.team_id
        return await super().create(row, extra)

    async def create_many(self, rows: Iterable[T]) -> Sequence[T]:
        rows = list(rows)
        for row in rows:
            row.team_id = self.team_id
        return await super().create_many(rows)

    async def upsert(self, row: T, *, on: Sequence[str], update: Sequence[str]) -> T:
        if "team_id" not in on:
            raise ValueError("An upsert of a team's rows requires team_id among its unique columns.")
        row.team_id = self.team_id
        return await super().upsert(row, on=on, update=update)

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(self._column("team_id") == self.team_id)


def _equals(model: type[SQLModel], name: str, value: Any) -> ColumnElement[bool]:
    column = getattr(model, name, None)
    if column is None and (fields := entity_fields(model)) is not None and name in fields.names:
        return fields.equals(name, value)
    return cast("ColumnElement[bool]", getattr(model, name) == value)


def _first_column(row: Row[Any]) -> Any:
    return row[0]


def _describe_tenant() -> str:
    """The current tenant, and what to write if there is none."""
    team = current_tenant()
    return f"team {team}" if isinstance(team, UUID) else "not set; use `with tenant(team_id):`"
