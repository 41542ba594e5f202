"""The generic repository: every query of an entity, as named methods. Services never write queries.

    class ProjectRepository(TenantRepository[Project]):
        model = Project
        searchable = ("name", "description")
        sortable = ("created_at", "name")

Rows that were softly deleted do not exist unless a method says otherwise. A method that only reads works on both kinds
of session; one that writes needs a `Session`.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeVar, cast
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Select, func, or_, select, tuple_
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import InstrumentedAttribute

from undercroft.core.db.models import Identified, SoftDeleted, TenantOwned, Timestamped, utc_now
from undercroft.core.db.session import ReadSession, Session
from undercroft.core.db.tenancy import ALL_TENANTS, current_tenant
from undercroft.core.errors import NotFound, Unprocessable

M = TypeVar("M", bound=Identified)
T = TypeVar("T", bound=TenantOwned)


class UnknownSort(Unprocessable):
    code = "UNKNOWN_SORT"
    message = "That is not something to sort by."


class TenantContextMissing(RuntimeError):
    """Rows of a team were asked for by code that has not said that it works for that team."""


class OffsetPage(Struct, Generic[M], frozen=True):
    """One page of an offset listing and how many rows there are in all."""

    items: Sequence[M]
    total: int


class Position(Struct, frozen=True):
    """Where a keyset listing stands: the last row seen."""

    created_at: datetime
    id: UUID


class KeysetPage(Struct, Generic[M], frozen=True):
    """One stretch of a keyset listing; `next` is None at the end."""

    items: Sequence[M]
    next: Position | None


class Repository(Generic[M]):
    """Queries of one model. `searchable` columns answer `q`, `sortable` ones `sort`, `-name` is descending."""

    model: type[M]
    not_found: ClassVar[type[NotFound]] = NotFound
    searchable: ClassVar[tuple[str, ...]] = ()
    sortable: ClassVar[tuple[str, ...]] = ("created_at",)
    default_sort: ClassVar[str] = "-created_at"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        model = cls.__dict__.get("model")
        if isinstance(model, type) and issubclass(model, TenantOwned) and not issubclass(cls, TenantRepository):
            raise TypeError(f"{cls.__name__} is for {model.__name__}, a team's rows: derive it from TenantRepository.")

    def __init__(self, session: ReadSession) -> None:
        self._session = session

    async def get(self, key: UUID, *, deleted: bool = False) -> M:
        """The row with this id. Raises the repository's `not_found`."""
        row = await self.find(key, deleted=deleted)
        if row is None:
            raise self.not_found()
        return row

    async def find(self, key: UUID, *, deleted: bool = False) -> M | None:
        """The row with this id, among the softly deleted ones instead when `deleted`; None when there is none."""
        return await self._first(self._query(deleted=deleted).where(self._column("id") == key))

    async def lock(self, key: UUID, *, deleted: bool = False) -> M:
        """The row with this id, held against other writers until the transaction ends. Raises `not_found`."""
        query = self._query(deleted=deleted).where(self._column("id") == key).with_for_update()
        row = await self._first(query.execution_options(populate_existing=True))
        if row is None:
            raise self.not_found()
        return row

    async def get_by(self, **values: Any) -> M | None:
        """The first row whose columns have these values."""
        return await self._first(self._query().where(*self._equal(values)).limit(1))

    async def list(
        self, *where: ColumnElement[bool], q: str | None = None, sort: str | None = None, page: int = 1, size: int = 20
    ) -> OffsetPage[M]:
        """One page, counted from 1, and the total, in one statement. Raises `UnknownSort`."""
        query = self._query().where(*where, *self._search_filters(q))
        total = select(func.count()).select_from(query.subquery()).scalar_subquery()
        ordered = query.order_by(*self._order(sort)).limit(size).offset((page - 1) * size)
        rows: Sequence[Any] = (await self._session.execute(ordered.add_columns(total))).all()
        if rows:
            return OffsetPage([row[0] for row in rows], rows[0][1])
        return OffsetPage([], await self._count(query) if page > 1 else 0)

    async def list_after(
        self, *where: ColumnElement[bool], q: str | None = None, after: Position | None = None, limit: int = 20
    ) -> KeysetPage[M]:
        """Up to `limit` rows after a position, newest first; counts nothing, so it is as fast on a large table."""
        key = tuple_(self._column("created_at"), self._column("id"))
        query = self._query().where(*where, *self._search_filters(q))
        if after is not None:
            query = query.where(key < tuple_(after.created_at, after.id))
        ordered = query.order_by(self._column("created_at").desc(), self._column("id").desc()).limit(limit + 1)
        rows = list((await self._session.scalars(ordered)).all())
        more, rows = len(rows) > limit, rows[:limit]
        last = cast(Any, rows[-1]) if more else None
        return KeysetPage(rows, Position(last.created_at, last.id) if last else None)

    async def count(self, *where: ColumnElement[bool], deleted: bool = False) -> int:
        """How many rows there are, or how many softly deleted ones."""
        return await self._count(self._query(deleted=deleted).where(*where))

    async def create(self, row: M) -> M:
        """Write a new row at once, so that constraints speak here."""
        self._write_session.add(row)
        await self._write_session.flush()
        return row

    async def create_many(self, rows: Iterable[M]) -> Sequence[M]:
        """Write new rows together."""
        rows = list(rows)
        self._write_session.add_all(rows)
        await self._write_session.flush()
        return rows

    async def update(self, row: M, changes: Mapping[str, Any]) -> M:
        """Change these fields and write them. Raises `StaleDataError` when a `Versioned` row was changed meanwhile."""
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
        """Remove the row for good."""
        await self._write_session.delete(row)
        await self._write_session.flush()

    async def soft_delete(self, row: M) -> None:
        """Hide the row until it is restored."""
        await self.update(row, {"deleted_at": utc_now()})

    async def restore(self, row: M) -> M:
        """Show a softly deleted row again."""
        return await self.update(row, {"deleted_at": None})

    @property
    def _write_session(self) -> Session:
        if not isinstance(self._session, Session):
            raise TypeError(f"{type(self).__name__} was given a session that only reads.")
        return self._session

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        """What this repository may see; every query starts here."""
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
        if name not in self.sortable:
            raise UnknownSort(details={"sort": name[:100], "allowed": list(self.sortable)})
        columns = [self._column(name), *([self._column("id")] if name != "id" else [])]
        return [column.desc() if wanted.startswith("-") else column.asc() for column in columns]

    async def _first(self, query: Select[Any]) -> M | None:
        return cast("M | None", (await self._session.scalars(query)).first())

    async def _count(self, query: Select[Any]) -> int:
        return cast(int, await self._session.scalar(select(func.count()).select_from(query.subquery())))


class OwnedRepository(Repository[M]):
    """Rows of one user: `owner_column` names the column that holds the user's id."""

    owner_column: ClassVar[str] = "user_id"

    def __init__(self, session: ReadSession, owner_id: UUID) -> None:
        super().__init__(session)
        self.owner_id = owner_id

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(self._column(self.owner_column) == self.owner_id)


class TenantRepository(Repository[T]):
    """Rows of one team. It cannot be built without one, and neither reads nor writes another's.

    With row-level security on it also wants the code around it to work for that team: in a request the current one,
    elsewhere `with tenant(team_id)`. Raises `TenantContextMissing` where that is not so and the database would show
    nothing.
    """

    def __init__(self, session: ReadSession, team_id: UUID) -> None:
        super().__init__(session)
        self.team_id = team_id
        if session.rls_enabled and current_tenant() not in (team_id, ALL_TENANTS):
            raise TenantContextMissing(
                f"{type(self).__name__} is for team {team_id}, in code that works for {_describe_tenant()}."
            )

    async def create(self, row: T) -> T:
        row.team_id = self.team_id
        return await super().create(row)

    async def create_many(self, rows: Iterable[T]) -> Sequence[T]:
        rows = list(rows)
        for row in rows:
            row.team_id = self.team_id
        return await super().create_many(rows)

    async def upsert(self, row: T, *, on: Sequence[str], update: Sequence[str]) -> T:
        if "team_id" not in on:
            raise ValueError("An upsert of a team's rows must have team_id among its unique columns.")
        row.team_id = self.team_id
        return await super().upsert(row, on=on, update=update)

    def _query(self, *, deleted: bool = False) -> Select[Any]:
        return super()._query(deleted=deleted).where(self._column("team_id") == self.team_id)


def _describe_tenant() -> str:
    """Who this code works for, and what to write when that is nobody."""
    team = current_tenant()
    return f"team {team}" if isinstance(team, UUID) else "no team; put `with tenant(team_id):` around it"
