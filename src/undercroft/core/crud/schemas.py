"""Request and response schemas derived from a table."""

from collections.abc import Iterable, Mapping
from copy import copy
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo
from sqlmodel import SQLModel

from undercroft.core.crud.storable import storable
from undercroft.core.db.extra_fields import table_of
from undercroft.core.http.pagination import ListQuery, PageQuery
from undercroft.core.validation import NOT_GIVEN, Schema, UpdateSchema

Q = TypeVar("Q", bound=PageQuery)


class CreateSchema(Schema):
    model_config = ConfigDict(extra="forbid")


def build_create_schema(
    model: type[SQLModel], names: Iterable[str], example: Mapping[str, Any] | None
) -> type[BaseModel]:
    """The body of a creation: these columns of a table, with their constraints, defaults and descriptions."""
    fields: dict[str, Any] = {name: copy_field(model, name) for name in names}
    return _with_example(create_model(f"{model.__name__}Create", __base__=CreateSchema, **fields), example)


def build_update_schema(
    model: type[SQLModel], create: type[BaseModel], example: Mapping[str, Any] | None
) -> type[BaseModel]:
    """The body of an update: the fields of the creation, each optional."""
    fields: dict[str, Any] = {name: make_optional(field) for name, field in create.model_fields.items()}
    return _with_example(create_model(f"{model.__name__}Update", __base__=UpdateSchema, **fields), example)


def build_read_schema(model: type[SQLModel], names: Iterable[str]) -> type[BaseModel]:
    """A response with these columns. All of them are always present."""
    fields: dict[str, Any] = {}
    for name in names:
        fields[name] = to_read_field(model, name)
    return create_model(f"{model.__name__}Read", __base__=Schema, **fields)


@cache
def build_query(model: type[SQLModel], filters: tuple[str, ...], sortable: tuple[str, ...]) -> type[ListQuery]:
    """The query parameters of the list: those of every list, and one for each filtered column."""
    fields = {name: build_filter(model, name) for name in filters}
    return extend_query(ListQuery, f"{model.__name__}Query", fields, sortable)


def extend_query(base: type[Q], name: str, filters: dict[str, Any], sortable: tuple[str, ...]) -> type[Q]:
    """The query parameters with further filters and fields to sort by."""
    query = create_model(name, __base__=base, __module__=base.__module__, **filters)
    query.filterable, query.sortable = (*base.filterable, *filters), (*base.sortable, *sortable)
    return query


def build_filter(model: type[SQLModel], name: str) -> tuple[Any, Any]:
    """The query parameter that filters by a column."""
    annotation, field = copy_field(model, name)
    text = f"Returns only items with this value. {field.description or ''}".strip()
    return annotation | None, Field(None, description=text, deprecated=field.deprecated)


def _with_example(schema: type[BaseModel], example: Mapping[str, Any] | None) -> type[BaseModel]:
    if found := {name: value for name, value in (example or {}).items() if name in schema.model_fields}:
        schema.model_config["json_schema_extra"] = {"examples": [found]}
    return schema


def make_optional(declared: FieldInfo) -> tuple[Any, FieldInfo]:
    """A field of an update, from that of the creation."""
    field = copy(declared)
    field.default, field.default_factory = NOT_GIVEN, None
    return field.annotation, field


def to_read_field(model: type[SQLModel], name: str) -> tuple[Any, FieldInfo]:
    """A field of a response, without the constraints of the column."""
    field = model.model_fields[name]
    return field.annotation, Field(
        description=field.description,
        examples=field.examples,
        json_schema_extra=field.json_schema_extra,
        deprecated=field.deprecated,
    )


def copy_field(model: type[SQLModel], name: str) -> tuple[Any, FieldInfo]:
    """A field like a column, with its constraints, default and description."""
    field = copy(model.model_fields[name])
    return storable(field.annotation, table_of(model).c[name].type), field
