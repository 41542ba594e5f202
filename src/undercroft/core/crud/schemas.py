"""Request and response schemas derived from a table."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo
from sqlmodel import SQLModel

from undercroft.core.crud.storable import storable
from undercroft.core.db.extra_fields import table_of
from undercroft.core.http.pagination import ListQuery
from undercroft.core.validation import NOT_GIVEN, Schema, UpdateSchema


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


def build_query(model: type[SQLModel], filters: Iterable[str], sortable: tuple[str, ...]) -> type[ListQuery]:
    """The query parameters of the list: those of every list, and one for each filtered column."""
    fields: dict[str, Any] = {}
    for name in filters:
        annotation, field = copy_field(model, name)
        text = f"Returns only items with this value. {field.description or ''}".strip()
        fields[name] = (annotation | None, Field(None, description=text))
    query = create_model(f"{model.__name__}Query", __base__=ListQuery, **fields)
    query.sortable = sortable
    return query


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
        description=field.description, examples=field.examples, json_schema_extra=field.json_schema_extra
    )


def copy_field(model: type[SQLModel], name: str) -> tuple[Any, FieldInfo]:
    """A field like a column, with its constraints, default and description."""
    field = copy(model.model_fields[name])
    return storable(field.annotation, table_of(model).c[name].type), field
