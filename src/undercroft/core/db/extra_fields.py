"""Typed fields that an extension adds to an entity of another module.

    class GuestFields(ExtraFields, entity=User):            # fields.py of the extension hotel
        "What the hotel knows about a user."

        loyalty_level: Level = Field(Level.NONE, sa_type=String(20), description="Level of the loyalty program.")

The columns are in a table of the extension, `hotel_user_fields`, with at most one row for each user, which is deleted
with the user. The routes, the admin views and the audit entries of the entity have the fields as if they were its own.
`core.db.entity_fields` has the queries, `core.crud.extra_fields` the rules for declarations and the schemas.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Self
from uuid import UUID

from sqlalchemy import ARRAY, JSON, DefaultClause, FromClause, String, Table, literal, select, text
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.dialects.postgresql.asyncpg import dialect
from sqlmodel import Field, SQLModel
from sqlmodel.main import SQLModelMetaclass

from undercroft.core.db.models import TenantOwned
from undercroft.core.db.privacy import Erasure, Privacy
from undercroft.core.db.read_session import ReadSession
from undercroft.core.db.session import Session
from undercroft.core.db.tenancy import ALL_TENANTS, TenantContextMissing, current_tenant
from undercroft.core.errors import CodeError

_DIALECT = dialect()  # type: ignore[no-untyped-call]
_SERVER_DEFAULTS = (str, int, float, bool)


class _ExtraFieldsMeta(SQLModelMetaclass):
    """Gives the class its table and the key of the entity."""

    def __new__(
        mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any], *, entity: Any = None, **options: Any
    ) -> Any:
        if entity is None:
            return super().__new__(mcs, name, bases, namespace, **options)
        namespace |= {"entity": entity, "__tablename__": _table_name(namespace["__module__"], entity)}
        if namespace["__tablename__"] in SQLModel.metadata.tables:
            frame = inspect.stack()[1].frame
            raise CodeError(
                f"There are two classes with fields of {entity.__name__} in {namespace['__module__']}. Move the fields "
                "of one into the other.",
                at=(frame.f_code.co_filename, frame.f_lineno),
            )
        return super().__new__(mcs, name, (*bases, _key_class(entity)), namespace, **{**options, "table": True})

    def __init__(
        cls,  # noqa: N805 - a metaclass
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        entity: Any = None,
        **options: Any,
    ) -> None:
        super().__init__(name, bases, namespace, **options)
        if entity is not None:
            if "__privacy__" not in namespace:
                type.__setattr__(cls, "__privacy__", _default_privacy(cls))
            _set_server_defaults(cls)


class ExtraFields(SQLModel, metaclass=_ExtraFieldsMeta):
    """Fields of `entity` that an extension declares in its `fields.py`.

    Every field has a constant default, or None: the value for entities without stored fields. Clients may set the
    fields with the permissions for the entity, except those in

    - `read_only`: only the extension sets them, with `set`,
    - `admin_only`: only administrators set them, where the entity has a route or a view for administrators,
    - `hidden`: only the extension sets and sees them.

    `sortable` and `filters` are the fields that the lists of the entity take in `sort`, and as query parameters.

    Without a `__privacy__`, all texts of a user's fields are personal, and the row is erased with the account.
    """

    entity: ClassVar[type[SQLModel]]
    read_only: ClassVar[tuple[str, ...]] = ()
    admin_only: ClassVar[tuple[str, ...]] = ()
    hidden: ClassVar[tuple[str, ...]] = ()
    sortable: ClassVar[tuple[str, ...]] = ()
    filters: ClassVar[tuple[str, ...]] = ()

    if TYPE_CHECKING:

        def __init_subclass__(cls, *, entity: type[SQLModel], table: bool = True) -> None: ...

    @classmethod
    async def of(cls, session: ReadSession, key: UUID) -> Self:
        """The fields of the entity with this ID, with the defaults if none are stored. They are changed by `set`.

        Those of a team's rows are read in its context, `with tenant(team_id)`. Raises `TenantContextMissing`.
        """
        table = table_of(cls)
        columns = [table.c[name] for name in cls.declared_names()]
        where = [table.c.id == key, *in_tenant(table)]
        stored = (await session.execute(select(*columns).where(*where))).mappings().first()
        return cls(id=key, **(stored or cls.defaults()))

    @classmethod
    async def set(cls, session: Session, key: UUID, **values: Any) -> None:
        """Change these fields of an entity, which gets another version and `updated_at`. Records no audit entry.

        Raises `NotFound` if it does not exist, `ValidationError` for an invalid value, and `TenantContextMissing`.
        """
        from undercroft.core.db.entity_fields import set_fields

        await set_fields(session, cls, key, cls.validated(values))

    @classmethod
    def validated(cls, values: Mapping[str, Any]) -> dict[str, Any]:
        """The validated values. Raises `ValidationError`, and `TypeError` for an unknown name."""
        if unknown := values.keys() - set(cls.declared_names()):
            known = ", ".join(cls.declared_names())
            raise TypeError(f"{cls.__name__} has no field {min(unknown)}. Fields: {known}.")
        keys = dict.fromkeys(_key_names(cls), UUID(int=0))
        valid = cls.model_validate({**keys, **values})
        return {name: getattr(valid, name) for name in values}

    @classmethod
    def declared_names(cls) -> tuple[str, ...]:
        """The names of the fields, without the key."""
        return tuple(name for name in cls.model_fields if name not in _key_names(cls))

    @classmethod
    def shown_names(cls) -> tuple[str, ...]:
        """The fields that are not hidden."""
        return tuple(name for name in cls.declared_names() if name not in cls.hidden)

    @classmethod
    def defaults(cls) -> dict[str, Any]:
        """The values of an entity without stored fields."""
        return {name: cls.model_fields[name].get_default(call_default_factory=True) for name in cls.declared_names()}


def table_of(model: Any) -> Table:
    """The table of a model."""
    table: Table = model.__table__
    return table


def upsert(declared: type[ExtraFields], written: FromClause, values: Mapping[str, Any]) -> Any:
    """Store values of fields, as expressions, for the entity in `written`, which has its key."""
    table = table_of(declared)
    others = {name: value for name, value in declared.defaults().items() if name not in values}
    columns = {name: literal(value, table.c[name].type) for name, value in others.items()} | dict(values)
    keys = _key_names(declared)
    source = select(*(written.c[name] for name in keys), *(value.label(name) for name, value in columns.items()))
    statement = insert(table).from_select([*keys, *columns], source)
    return statement.on_conflict_do_update(
        index_elements=["id"], set_={name: statement.excluded[name] for name in values}
    ).returning(table.c.id)


def extension_of(declared: type[ExtraFields]) -> str:
    """The name of the extension that declares the fields."""
    return _extension_name(declared.__module__)


def noun_of(entity: type) -> str:
    """`user_group` for the class `UserGroup`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", entity.__name__).lower()


def locate_field(declared: type[ExtraFields], name: str) -> Any:
    """The file and line of a field, for a `CodeError`; the class if its source is not known."""
    try:
        lines, first = inspect.getsourcelines(declared)
        file = inspect.getsourcefile(declared)
    except (OSError, TypeError):
        return declared
    found = (number for number, line in enumerate(lines, first) if re.match(rf"\s+{name}\s*:", line))
    return file, next(found, first)


def _key_class(entity: type[SQLModel]) -> type[SQLModel]:
    """A base class with the key: the ID of the entity, and its team if it belongs to one."""
    base: Any = TenantOwned if issubclass(entity, TenantOwned) else SQLModel

    class Key(base):  # type: ignore[misc]
        id: UUID = Field(
            primary_key=True,
            foreign_key=f"{entity.__tablename__}.id",
            ondelete="CASCADE",
            description=f"ID of the {noun_of(entity)}.",
        )

    return Key


def _key_names(declared: type[ExtraFields]) -> tuple[str, ...]:
    return ("id", "team_id") if issubclass(declared, TenantOwned) else ("id",)


def _table_name(module: str, entity: type[SQLModel]) -> str:
    """`hotel_user_fields` for a class in `hotel.fields` or `extensions.hotel.fields`."""
    return f"{_extension_name(module)}_{noun_of(entity)}_fields"


def _extension_name(module: str) -> str:
    return re.sub(r"\.fields(\..*)?$", "", module).rpartition(".")[2]


def _default_privacy(declared: Any) -> Privacy:
    """The fields of a user are personal and erased with the account; those of a team's entity belong to the team."""
    texts, of_entity = tuple(_text_columns(table_of(declared))), declared.entity.__privacy__
    if of_entity.personal:
        return Privacy(of_entity.subject, of_entity.retention, personal=texts, erasures=(Erasure("id"),))
    return Privacy(of_entity.subject, f"as long as the {noun_of(declared.entity)}", non_personal=texts)


def _text_columns(table: Table) -> Iterator[str]:
    for column in table.columns:
        kind: Any = column.type.item_type if isinstance(column.type, ARRAY) else column.type
        if isinstance(getattr(kind, "impl_instance", kind), String | JSON):
            yield column.name


def _set_server_defaults(declared: Any) -> None:
    """Let the database fill a field that is added later, so that the migration needs no rewrite of existing rows."""
    table = table_of(declared)
    for name, default in declared.defaults().items():
        column = table.c[name]
        if isinstance(default, _SERVER_DEFAULTS) and not column.nullable and column.server_default is None:
            rendered = literal(default, column.type).compile(dialect=_DIALECT, compile_kwargs={"literal_binds": True})
            column.server_default = DefaultClause(text(str(rendered)))


def in_tenant(table: Table) -> list[Any]:
    """The condition for rows of the current tenant."""
    if "team_id" not in table.c:
        return []
    team = current_tenant()
    if team is None:
        raise TenantContextMissing(f"{table.name} has fields of a team's rows: use `with tenant(team_id):`.")
    return [] if team is ALL_TENANTS else [table.c.team_id == team]
