"""The queries of extra fields: they read them in the statement that reads the entity, and write them in the one that
writes it.

`entity_fields(User)` are those of the current application, None without any.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, TypeVar
from uuid import UUID

from msgspec import Struct
from pydantic import BaseModel
from sqlalchemy import (
    CTE,
    ColumnElement,
    Select,
    Table,
    bindparam,
    case,
    column,
    func,
    insert,
    literal,
    literal_column,
    select,
    table,
    update,
)
from sqlalchemy.orm import make_transient_to_detached
from sqlalchemy.orm.attributes import set_committed_value
from sqlalchemy.orm.exc import StaleDataError
from sqlalchemy.sql.selectable import ForUpdateArg
from sqlmodel import SQLModel

from undercroft.core.context import current_context
from undercroft.core.db.extra_fields import ExtraFields, in_tenant, noun_of, table_of, upsert
from undercroft.core.db.models import utc_now
from undercroft.core.db.read_session import ReadSession
from undercroft.core.db.session import Session
from undercroft.core.db.statement import Statement
from undercroft.core.errors import NotFound

M = TypeVar("M", bound=SQLModel)


class EntityFields(Struct, frozen=True, dict=True):
    """The fields that the extensions of an application add to one entity. A loaded model has them as attributes."""

    entity: type[SQLModel]
    declared: tuple[type[ExtraFields], ...]

    @cached_property
    def table(self) -> Table:
        return table_of(self.entity)

    @cached_property
    def defaults(self) -> Mapping[str, Any]:
        """The values of an entity without stored fields, in the order of `columns`."""
        return {name: value for each in self.declared for name, value in each.defaults().items()}

    @cached_property
    def names(self) -> frozenset[str]:
        return frozenset(self.defaults)

    @cached_property
    def personal(self) -> tuple[str, ...]:
        """The fields with personal data, which an audit entry stores apart."""
        return tuple(name for each in self.declared for name in each.__dict__["__privacy__"].personal)

    @cached_property
    def sortable(self) -> tuple[str, ...]:
        """The fields by which a query that was joined can be sorted."""
        return tuple(name for each in self.declared for name in each.sortable)

    @cached_property
    def filters(self) -> tuple[str, ...]:
        """The fields by which clients can filter."""
        return tuple(name for each in self.declared for name in each.filters)

    @cached_property
    def columns(self) -> tuple[Any, ...]:
        """The expressions that read the fields of a joined row."""
        return tuple(
            _read(table_of(each), name, default).label(name)
            for each in self.declared
            for name, default in each.defaults().items()
        )

    def join(self, query: Select[Any], *, prefix: str = "") -> Select[Any]:
        """The query with the fields as further columns, whose names begin with `prefix`."""
        for each in self.declared:
            query = query.outerjoin(table_of(each), table_of(each).c.id == self.table.c.id)
        return query.add_columns(*(each.element.label(f"{prefix}{each.name}") for each in self.columns))

    def sort_key(self, name: str) -> Any:
        """The expression that reads a field of a joined row, to sort by."""
        return next(each.element for each in self.columns if each.name == name)

    def equals(self, name: str, value: Any) -> ColumnElement[bool]:
        """The condition that a field has this value, also of an entity without stored fields.

        It needs no join, and an index of the field serves it unless the value is the default.
        """
        declared = next(each for each in self.declared if name in each.declared_names())
        fields = table_of(declared).alias()
        if value != self.defaults[name]:
            return self.table.c.id.in_(select(fields.c.id).where(fields.c[name] == value))
        others = select(fields.c.id).where(fields.c.id == self.table.c.id, fields.c[name].is_distinct_from(value))
        return ~others.correlate(self.table).exists()

    def values_of(self, row: Any) -> dict[str, Any]:
        """The fields of a loaded model."""
        return {name: row.__dict__[name] for name in self.defaults}

    def attach_defaults(self, row: M) -> M:
        row.__dict__.update(self.defaults)
        return row

    # Reads

    def is_selected(self, query: Select[Any]) -> bool:
        """Whether the rows of a query begin with the model of the entity."""
        return query.column_descriptions[0]["expr"] is self.entity

    async def fetch(self, session: ReadSession, query: Select[Any]) -> Sequence[Any]:
        """The rows of a query of the entity; the models have the fields."""
        lock = next((each for each in query.get_children() if isinstance(each, ForUpdateArg)), None)
        if lock is not None:
            return await self._fetch_locked(session, query, lock)
        return self._attach((await session.execute(self.join(query))).all())

    async def _fetch_locked(self, session: ReadSession, query: Select[Any], lock: ForUpdateArg) -> Sequence[Any]:
        """Lock only the entities: the rows of the fields may not exist, and are written only by who locks the entity.

        A statement that waited for a lock returns the new version of the entity, but the fields as they were when the
        statement began (PostgreSQL's EvalPlanQual). Then they are read again.
        """
        before = self.table.alias("before_lock")
        version: Any = literal_column(f"{self.table.name}.xmin")
        seen: Any = literal_column("before_lock.xmin")
        unchanged = version == select(seen).where(before.c.id == self.table.c.id).scalar_subquery()
        query = query.with_for_update(
            of=self.entity, read=lock.read, nowait=lock.nowait, skip_locked=lock.skip_locked, key_share=lock.key_share
        )
        rows = (await session.execute(self.join(query.add_columns(unchanged)))).all()
        width = len(self.defaults) + 1
        models = [row[0] for row in self._attach(rows) if not row[-1]]
        await self._reload(session, models)
        return [tuple(row[:-width]) for row in rows]

    async def _reload(self, session: ReadSession, models: Iterable[Any]) -> None:
        for model in models:
            query = self.join(select(self.table.c.id).where(self.table.c.id == model.id))
            model.__dict__.update(zip(self.defaults, (await session.execute(query)).one()[1:], strict=True))

    def _attach(self, rows: Sequence[Any]) -> Sequence[Any]:
        """Move the last columns of the rows to the models in the first."""
        width = len(self.defaults)
        for row in rows:
            row[0].__dict__.update(zip(self.defaults, row[-width:], strict=True))
        return [tuple(row[:-width]) for row in rows]

    # Writes

    async def insert(self, session: Session, row: Any, extra: Mapping[str, Any]) -> None:
        """Insert a model with these fields in one statement."""
        await session.flush()
        values = {each.key: getattr(row, each.key) for each in self.table.columns}
        written = insert(self.table).values(values).returning(*self._keys).cte("written")
        await session.execute(select(written.c.id).add_cte(*self._upserts(written, extra)))
        make_transient_to_detached(row)
        session.add(row)
        self.attach_defaults(row).__dict__.update(extra)

    async def update(self, session: Session, row: Any, changes: Mapping[str, Any]) -> None:
        """Change columns and fields of a model in one statement.

        Raises `StaleDataError` if a `Versioned` row changed in the meantime.
        """
        await session.flush()
        extra = {name: value for name, value in changes.items() if name in self.names}
        values = {name: value for name, value in changes.items() if name not in self.names} | _next_version(row)
        columns = self.table.c
        where = [columns.id == row.id, *([columns.version == row.version] if "version" in columns else [])]
        written = update(self.table).where(*where).values(values).returning(*self._keys).cte("written")
        found = await session.execute(select(written.c.id).add_cte(*self._upserts(written, extra)))
        if found.first() is None:
            raise StaleDataError(f"The {noun_of(self.entity)} changed in the meantime.")
        for name, value in values.items():
            set_committed_value(row, name, value)
        row.__dict__.update(extra)

    def insert_statements(self, names: Collection[str]) -> dict[str, Statement]:
        """The statements that store these fields of a new row, as members of `WithCte`. Values are passed by name."""
        written = table("written", *(column(key.name) for key in self._keys))
        found: dict[str, Statement] = {}
        for each in self.declared:
            types = {name: table_of(each).c[name].type for name in each.declared_names() if name in names}
            if types:
                values = {name: bindparam(name, type_=kind) for name, kind in types.items()}
                found[f"{table_of(each).name}_written"] = Statement(upsert(each, written, values))
        return found

    @cached_property
    def _keys(self) -> tuple[Any, ...]:
        return tuple(self.table.c[name] for name in ("id", "team_id") if name in self.table.c)

    def _upserts(self, written: CTE, extra: Mapping[str, Any]) -> Iterable[CTE]:
        for each in self.declared:
            fields = table_of(each)
            named = {name: literal(extra[name], fields.c[name].type) for name in each.declared_names() if name in extra}
            if named:
                yield upsert(each, written, named).cte(f"{fields.name}_written")


class EntityFieldsByModel(dict[type[SQLModel], EntityFields]):
    """The entities of an application that have extra fields."""


def entity_fields(entity: type[SQLModel]) -> EntityFields | None:
    """The extra fields of an entity in the current application; None if it has none."""
    found = current_context().find(EntityFieldsByModel)
    return found.get(entity) if found else None


def extra_values(row: SQLModel) -> dict[str, Any]:
    """The extra fields of a loaded model, by name."""
    fields = entity_fields(type(row))
    return fields.values_of(row) if fields else {}


def personal_fields(entity: type[SQLModel]) -> tuple[str, ...]:
    """The names of the extra fields with personal data, for `personal` of an audit entry."""
    fields = entity_fields(entity)
    return fields.personal if fields else ()


def given_fields(entity: type[SQLModel], data: BaseModel) -> dict[str, Any]:
    """The values of extra fields that a request names, also None."""
    fields = entity_fields(entity)
    return {name: getattr(data, name) for name in fields.defaults if name in data.model_fields_set} if fields else {}


async def set_fields(session: Session, declared: type[ExtraFields], key: UUID, values: Mapping[str, Any]) -> None:
    """Store fields of an entity that is not deleted, and give it another version. Raises `NotFound`."""
    await session.flush()
    entity = table_of(declared.entity)
    where = [entity.c.id == key, *in_tenant(entity)]
    if "deleted_at" in entity.c:
        where.append(entity.c.deleted_at.is_(None))
    changed = {"updated_at": utc_now()} | ({"version": entity.c.version + 1} if "version" in entity.c else {})
    written = update(entity).where(*where).values(changed).returning(entity).cte("written")
    named = {name: literal(value, table_of(declared).c[name].type) for name, value in values.items()}
    stored = upsert(declared, written, named).cte("stored")
    row = (await session.execute(select(*(written.c[name] for name in changed)).add_cte(stored))).mappings().first()
    if row is None:
        raise NotFound(f"{noun_of(declared.entity).replace('_', ' ').capitalize()} not found.")
    orm = (await session.orm()).sync_session
    loaded = orm.identity_map.get(orm.identity_key(declared.entity, key))
    if loaded is not None:
        for name, value in row.items():
            set_committed_value(loaded, name, value)
        loaded.__dict__.update(values)


def _read(fields: Table, name: str, default: Any) -> Any:
    """The value of a field, or its default if there is no row. A stored NULL is not the default."""
    stored = fields.c[name]
    if default is None:
        return stored
    value = literal(default, stored.type)
    return case((fields.c.id.is_(None), value), else_=stored) if stored.nullable else func.coalesce(stored, value)


def _next_version(row: Any) -> dict[str, Any]:
    columns = type(row).model_fields
    return {
        **({"updated_at": utc_now()} if "updated_at" in columns else {}),
        **({"version": row.version + 1} if "version" in columns else {}),
    }
