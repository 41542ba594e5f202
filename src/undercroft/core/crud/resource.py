"""A resource: what is true of an entity, and its use cases as methods that a module may override."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, Protocol, Self, TypeVar
from uuid import UUID

from msgspec import Struct
from pydantic import BaseModel
from sqlalchemy.orm.exc import StaleDataError

from undercroft.core.audit import Entry, changes, record
from undercroft.core.crud.repository import CrudRepository, Row
from undercroft.core.db import Paging, ReadSession, RowPage, Session, TenantOwned, Versioned, utc_now
from undercroft.core.db.entity_fields import entity_fields, personal_fields
from undercroft.core.errors import Conflict, NotFound, PreconditionFailed, Unprocessable
from undercroft.core.events import Event, publish
from undercroft.core.ids import new_id
from undercroft.core.overrides import Service, call_super

T = TypeVar("T", bound=TenantOwned)


class ReferenceNotFound(Unprocessable):
    code = "REFERENCE_NOT_FOUND"
    message = "The field in `details.field` refers to something that does not exist."

    def __init__(self, field: str) -> None:
        super().__init__(details={"field": field})


class Caller(Protocol):
    """Who uses a resource: a `Principal`, or the team and user that `Resource.for_team` names."""

    @property
    def team_id(self) -> UUID: ...

    @property
    def user_id_or_none(self) -> UUID | None: ...


class _Member(Struct, frozen=True):
    team_id: UUID
    user_id_or_none: UUID | None = None


class RowEvent(Event, frozen=True):
    """A row was created, changed, deleted or restored: subscribe to `InvoiceResource.Created` and so on."""

    id: UUID
    team_id: UUID
    user_id: UUID | None
    """The user who acted; None for a team's API key and for the system."""


class Resource(Service, Generic[T]):
    """An entity of a team. The class attributes declare it, an instance serves one caller in one session.

    `model` is a table with `TenantOwned` and `Timestamped` or `CreatedAt`. With `SoftDeleted` its rows can be restored,
    with `Versioned` they have ETags, and a column `created_by` stores the user.

    - `readers`, `writers`: the built-in team roles that have the permissions `<plural>:read` and `<plural>:write`.
    - `searchable`, `sortable`, `filters`: columns that `q` searches, that `sort` takes, and that are query parameters.
    - `read_only`: columns that clients cannot set. `hidden`: columns that clients cannot set and do not see.
    - `noun`, `plural`: names in paths, permissions and audit actions; by default derived from the class of the model.
    - `create_schema`, `update_schema`, `read_schema`, `not_found`, `repository`: derived unless they are given.
    - `extensible`: whether extensions may add fields to the entity (`ExtraFields`).
    - `admin_columns`: columns of the list in `/admin`; no view without them. `icon` is a class of Font Awesome, and
      `label` the column that names a row.

    A method may be overridden, and calls `super()` for the usual step. `before_…` and `after_…` do nothing by default.
    All run in the transaction of the change: raise an error to roll back.
    """

    model: ClassVar[type[TenantOwned]]
    readers: ClassVar[frozenset[str]] = frozenset()
    writers: ClassVar[frozenset[str]] = frozenset()
    searchable: ClassVar[tuple[str, ...]] = ()
    sortable: ClassVar[tuple[str, ...]] = ("created_at",)
    filters: ClassVar[tuple[str, ...]] = ()
    read_only: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()
    noun: ClassVar[str] = ""
    plural: ClassVar[str] = ""
    group: ClassVar[str] = "Product"
    example: ClassVar[Mapping[str, Any] | None] = None
    extensible: ClassVar[bool] = False
    admin_columns: ClassVar[tuple[str, ...]] = ()
    icon: ClassVar[str] = "fa-solid fa-cube"
    label: ClassVar[str] = ""

    create_schema: ClassVar[type[BaseModel]]
    update_schema: ClassVar[type[BaseModel]]
    read_schema: ClassVar[type[BaseModel]]
    repository: ClassVar[type[CrudRepository[Any]]]
    not_found: ClassVar[type[NotFound]]
    references: ClassVar[frozenset[str]]
    """The columns that clients set and that refer to another table."""
    defaults: ClassVar[tuple[str, ...]]
    """The columns with a default that clients do not set."""
    Created: ClassVar[type[RowEvent]]
    Changed: ClassVar[type[RowEvent]]
    Deleted: ClassVar[type[RowEvent]]
    Restored: ClassVar[type[RowEvent]]

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "model" in cls.__dict__:
            from undercroft.core.crud.declaration import complete

            complete(cls)

    def __init__(self, session: ReadSession, caller: Caller) -> None:
        self._read_session = session
        self.team_id = caller.team_id
        self.user_id = caller.user_id_or_none
        self.rows: CrudRepository[T] = self.repository(session, caller.team_id)

    @classmethod
    def for_team(cls, session: ReadSession, team_id: UUID, user_id: UUID | None = None) -> Self:
        """The resource outside a request: in jobs, seeds and commands, inside `with tenant(team_id)`."""
        return cls(session, _Member(team_id, user_id))

    @property
    def session(self) -> Session:
        """The session of a request that writes. Raises `TypeError` in one that reads."""
        if not isinstance(self._read_session, Session):
            raise TypeError(f"{type(self).__name__} needs a Session to write; it has a ReadSession.")
        return self._read_session

    @classmethod
    def path(cls) -> str:
        """The path of the routes below the prefix of the surface, for further routes in `routes.py`."""
        return f"/{cls.plural.replace('_', '-')}"

    # Use cases

    async def list(self, paging: Paging, filters: Mapping[str, Any]) -> RowPage[Row]:
        """Part of the rows with these values. Raises `UnknownSort`."""
        return await self.rows.list_rows(paging, *self.rows.matching(**filters))

    async def read(self, key: UUID) -> Row:
        """A row. Raises `not_found`."""
        return await self.rows.read(key)

    @call_super
    async def create(self, data: BaseModel) -> Row:
        """Create a row. Raises `ReferenceNotFound`."""
        values = data.model_dump()
        await self.before_create(values)
        await self._check_references(values)
        fields = entity_fields(self.model)
        defaults = fields.defaults if fields else {}
        extra = {name: values.pop(name) for name in defaults.keys() & values.keys()}
        stored = {name: each for name, each in extra.items() if name in data.model_fields_set or each != defaults[name]}
        row: Row = self._new_row(values)
        entry = self._entry("created", row["id"], after={**values, **stored})
        if type(self).after_create is Resource.after_create:
            await self.rows.insert(row, entry, stored)
            row = {**row, **defaults, **stored}
        else:
            created = await self.rows.create(self.model(**row), stored)  # type: ignore[arg-type]
            await record(self.session, entry)
            await self.after_create(created)
            row = self.to_row(created)
        await self._publish(self.Created, row["id"])
        return row

    @call_super
    async def update(self, key: UUID, data: BaseModel, *, versions: Sequence[int] | None = None) -> Row:
        """Change the given fields.

        Raises `not_found`, `ReferenceNotFound`, `PreconditionFailed` unless the row is at one of `versions`, and
        `Conflict` if another request changed it meanwhile.
        """
        row = await (self.rows.get(key) if issubclass(self.model, Versioned) else self.rows.lock(key))
        _require_version(row, versions)
        try:
            await self.change(row, data.model_dump(exclude_unset=True))
        except StaleDataError as error:
            raise (Conflict() if versions is None else PreconditionFailed()) from error
        return self.to_row(row)

    @call_super
    async def change(self, row: T, values: dict[str, Any]) -> None:
        """Change a row that was read in this session; nothing happens if no value differs."""
        await self.before_update(row, values)
        before, after = changes(row, values)
        if not after:
            return
        await self._check_references(after)
        await self.rows.update(row, after)
        await record(self.session, self._entry("changed", row.id, before=before, after=after))
        await self.after_update(row, before)
        await self._publish(self.Changed, row.id)

    @call_super
    async def delete(self, key: UUID, *, versions: Sequence[int] | None = None) -> None:
        """Delete a row, which can be restored if it is `SoftDeleted`. Raises `not_found`, `PreconditionFailed`."""
        row = await self.rows.lock(key)
        _require_version(row, versions)
        await self.remove(row)

    @call_super
    async def remove(self, row: T) -> None:
        """Delete a locked row."""
        await self.before_delete(row)
        if hasattr(row, "deleted_at"):
            await self.rows.soft_delete(row)
        else:
            await self.rows.delete(row)
        await record(self.session, self._entry("deleted", row.id, before={"deleted": False}, after={"deleted": True}))
        await self.after_delete(row)
        await self._publish(self.Deleted, row.id)

    @call_super
    async def restore(self, key: UUID) -> Row:
        """Restore a deleted row. Raises `not_found` if there is no such deleted row."""
        row = await self.rows.restore(await self.rows.lock(key, deleted=True))
        await record(self.session, self._entry("restored", key, before={"deleted": True}, after={"deleted": False}))
        await self.after_restore(row)
        await self._publish(self.Restored, key)
        return self.to_row(row)

    # Steps to override

    async def before_create(self, values: dict[str, Any]) -> None:
        """Check or amend the values of a new row."""

    async def after_create(self, row: T) -> None: ...

    async def before_update(self, row: T, values: dict[str, Any]) -> None:
        """Check or amend the new values of a row, which still has the old ones."""

    async def after_update(self, row: T, before: Mapping[str, Any]) -> None:
        """`before` are the old values of the changed fields."""

    async def before_delete(self, row: T) -> None: ...

    async def after_delete(self, row: T) -> None: ...

    async def after_restore(self, row: T) -> None: ...

    # Parts of the steps

    def to_row(self, row: T) -> Row:
        """The columns that clients see."""
        return {name: getattr(row, name) for name in self.rows.names}

    def _new_row(self, values: Mapping[str, Any]) -> dict[str, Any]:
        now, columns = utc_now(), self.model.model_fields
        system = {"created_at": now, "updated_at": now, "version": 1, "created_by": self.user_id}
        return {
            **{name: columns[name].get_default(call_default_factory=True) for name in self.defaults},
            **values,
            **{name: value for name, value in system.items() if name in columns},
            "id": new_id(),
            "team_id": self.team_id,
        }

    async def _check_references(self, values: Mapping[str, Any]) -> None:
        for field in self.references & values.keys():
            if values[field] is not None and not await self.rows.is_reference_valid(field, values[field]):
                raise ReferenceNotFound(field)

    def _entry(self, verb: str, key: UUID, **fields: Any) -> Entry:
        personal = personal_fields(self.model)
        return Entry(f"{self.noun}.{verb}", self.user_id, self.noun, key, self.team_id, personal=personal, **fields)

    async def _publish(self, event: type[RowEvent], key: UUID) -> None:
        await publish(self.session, event(key, self.team_id, self.user_id))


def _require_version(row: Any, versions: Sequence[int] | None) -> None:
    version = getattr(row, "version", None)
    if versions is not None and version not in versions:
        raise PreconditionFailed(details=None if version is None else {"version": version})
