"""Entities to which extensions may add fields, the rules for these fields, and the schemas that have them.

    EXTENSIBLE = (Extensible(Team, read=(TeamRead, TeamAdminRead), create=(TeamCreate,), update=(TeamUpdate,)),)

A built-in module declares this in `fields.py`. A resource declares `extensible = True`.
"""

from collections.abc import Iterable
from itertools import chain
from typing import Any

from msgspec import Struct
from pydantic import BaseModel, create_model
from sqlalchemy import ARRAY, JSON, Enum
from sqlmodel import SQLModel

from undercroft.core.crud.resource import Resource
from undercroft.core.crud.schemas import (
    build_filter,
    build_query,
    copy_field,
    extend_query,
    make_optional,
    to_read_field,
)
from undercroft.core.db import ExtraFields
from undercroft.core.db.entity_fields import EntityFields, EntityFieldsByModel
from undercroft.core.db.extra_fields import locate_field, table_of
from undercroft.core.errors import CodeError
from undercroft.core.http.extended_schemas import ExtendedSchemas
from undercroft.core.http.pagination import PageQuery
from undercroft.core.model_classes import SECRET_NAME

OPTIONS = ("read_only", "admin_only", "hidden", "sortable", "filters")
CONSTANT_FACTORIES = (list, dict, set, tuple)
Schemas = tuple[type[BaseModel], ...]


class Extensible(Struct, frozen=True):
    """An entity to which extensions may add fields, with the schemas of its routes.

    `admin_update` are the bodies of administrators' routes, and `query` the parameters of its lists.
    """

    entity: type[SQLModel]
    read: Schemas
    create: Schemas = ()
    update: Schemas = ()
    admin_update: Schemas = ()
    query: tuple[type[PageQuery], ...] = ()

    @property
    def schemas(self) -> Schemas:
        return (*self.read, *self.create, *self.update, *self.admin_update)


def of_resource(resource: type[Resource[Any]]) -> Extensible:
    """The entity of a resource."""
    return Extensible(
        resource.model,
        read=(resource.read_schema,),
        create=(resource.create_schema,),
        update=(resource.update_schema,),
        query=(build_query(resource.model, resource.filters, resource.sortable),),
    )


def build_entity_fields(entities: Iterable[Extensible], declared: Iterable[type[ExtraFields]]) -> EntityFieldsByModel:
    """The extra fields by entity. Raises `CodeError` for a declaration that breaks a rule."""
    by_entity = {each.entity: each for each in entities}
    found = EntityFieldsByModel()
    for each in declared:
        extensible = by_entity.get(each.entity)
        if extensible is None:
            known = ", ".join(sorted(entity.__name__ for entity in by_entity))
            message = f"{each.entity.__name__} cannot have extra fields. Entities that can: {known}."
            raise CodeError(message, at=each)
        others = found[each.entity].declared if each.entity in found else ()
        _check(each, extensible, others)
        found[each.entity] = EntityFields(each.entity, (*others, each))
    return found


def build_extended_schemas(entities: Iterable[Extensible], fields: EntityFieldsByModel) -> ExtendedSchemas:
    """The schemas with the extra fields, under the names of those that they replace."""
    found = ExtendedSchemas()
    for each in entities:
        if each.entity in fields:
            declared = fields[each.entity].declared
            found |= {schema: _extend(schema, _read_fields(declared)) for schema in each.read}
            found |= {schema: _extend(schema, _written(declared, admin=False)) for schema in each.create}
            found |= {schema: extend_update(schema, declared, admin=False) for schema in each.update}
            found |= {schema: extend_update(schema, declared, admin=True) for schema in each.admin_update}
            found |= {schema: _extend_query(schema, declared) for schema in each.query}
    return found


def extend_update(schema: type[BaseModel], declared: Iterable[type[ExtraFields]], *, admin: bool) -> type[BaseModel]:
    """The body of an update with the extra fields that clients, or administrators, may set."""
    written = _written(declared, admin=admin).items()
    fields = {name: (annotation, make_optional(field)[1]) for name, (annotation, field) in written}
    return _extend(schema, fields)


def _extend(schema: type[BaseModel], fields: dict[str, Any]) -> type[BaseModel]:
    if not fields:
        return schema
    extended: type[BaseModel] = create_model(
        schema.__name__, __base__=schema, __module__=schema.__module__, __doc__=schema.__doc__, **fields
    )
    return extended


def _extend_query(schema: type[PageQuery], declared: Iterable[type[ExtraFields]]) -> type[PageQuery]:
    filters = {name: build_filter(each, name) for each in declared for name in each.filters}
    sortable = tuple(name for each in declared for name in each.sortable)
    return extend_query(schema, schema.__name__, filters, sortable) if filters or sortable else schema


def _read_fields(declared: Iterable[type[ExtraFields]]) -> dict[str, Any]:
    return {name: to_read_field(each, name) for each in declared for name in each.shown_names()}


def _written(declared: Iterable[type[ExtraFields]], *, admin: bool) -> dict[str, Any]:
    return {
        name: copy_field(each, name)
        for each in declared
        for name in each.declared_names()
        if name not in {*each.read_only, *each.hidden, *(() if admin else each.admin_only)}
    }


def _check(declared: type[ExtraFields], extensible: Extensible, others: Iterable[type[ExtraFields]]) -> None:
    title = declared.__name__
    for option in OPTIONS:
        _check_option(declared, option)
    for name in (*declared.sortable, *declared.filters):
        _check_queried(declared, name, extensible)
    for name in declared.declared_names():
        at = locate_field(declared, name)
        _check_name(declared, name, extensible, others)
        field = declared.model_fields[name]
        if field.is_required():
            raise CodeError(
                f"{name} of {title} has no default, which is its value for every {extensible.entity.__name__} without "
                f"one. Set it: Field(default=…), or default=None for `{name}: … | None`.",
                at=at,
            )
        if field.default_factory is not None and field.default_factory not in CONSTANT_FACTORIES:
            raise CodeError(f"The default of {name} of {title} must be a constant. Set Field(default=…).", at=at)
        if isinstance(table_of(declared).c[name].type, Enum):
            raise CodeError(
                f"{name} of {title} would create a type in the database, which is not removed with the extension. "
                "Derive its class from StrEnum and set sa_type=String(20).",
                at=at,
            )
        if table_of(declared).c[name].foreign_keys and name not in {*declared.read_only, *declared.hidden}:
            raise CodeError(
                f"{name} of {title} refers to another table, and a client could name a row of another team. Set "
                f'read_only = ("{name}",), and check the reference in a route of your own that calls '
                f"{title}.set(session, key, {name}=…).",
                at=at,
            )


def _check_option(declared: type[ExtraFields], option: str) -> None:
    named = getattr(declared, option)
    if isinstance(named, str):
        raise CodeError(f'{option} of {declared.__name__} must be a tuple: {option} = ("{named}",).', at=declared)
    for name in named:
        if name not in declared.declared_names():
            fields = ", ".join(declared.declared_names())
            message = f"{option} of {declared.__name__} names {name}, which is not a field of it. Fields: {fields}."
            raise CodeError(message, at=declared)


def _check_queried(declared: type[ExtraFields], name: str, extensible: Extensible) -> None:
    """Raise `CodeError` for a field by which lists cannot be sorted or filtered."""
    at, title = locate_field(declared, name), declared.__name__
    if name in declared.hidden:
        raise CodeError(
            f"{name} of {title} is hidden, but clients could find out its values by a filter or sort order. Remove it "
            "from sortable and filters.",
            at=at,
        )
    if isinstance(table_of(declared).c[name].type, JSON | ARRAY):
        raise CodeError(f"{name} of {title} is no single value. Remove it from sortable and filters.", at=at)
    if name in declared.filters and any(name in schema.model_fields for schema in extensible.query):
        noun = extensible.entity.__name__
        message = f"The lists of {noun} have a parameter {name} already. Give the field of {title} another name."
        raise CodeError(message, at=at)


def _check_name(
    declared: type[ExtraFields], name: str, extensible: Extensible, others: Iterable[type[ExtraFields]]
) -> None:
    at, title = locate_field(declared, name), declared.__name__
    noun = extensible.entity.__name__
    hint = f"Give the field of {title} another name."
    taken = {*chain.from_iterable(schema.model_fields for schema in extensible.schemas)}
    if name in taken or hasattr(extensible.entity, name):
        raise CodeError(f"{noun} has {name} already, and an extension must not replace it. {hint}", at=at)
    for other in others:
        if name in other.declared_names():
            raise CodeError(f"{other.__name__} of {other.__module__} adds {name} to {noun} already. {hint}", at=at)
    if SECRET_NAME.search(name) and name not in declared.hidden:
        message = f'{title} would show {name}, which looks like a secret. Set hidden = ("{name}",).'
        raise CodeError(message, at=at)
