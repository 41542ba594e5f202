"""Request and response schemas derived from a table."""

from collections.abc import Iterable, Mapping
from copy import copy
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, create_model
from pydantic.fields import FieldInfo
from sqlmodel import SQLModel

from undercroft.core.http.pagination import ListQuery
from undercroft.core.validation import NOT_GIVEN, Schema, UpdateSchema


class CreateSchema(Schema):
    model_config = ConfigDict(extra="forbid")


def build_create_schema(
    model: type[SQLModel], names: Iterable[str], example: Mapping[str, Any] | None
) -> type[BaseModel]:
    """The body of a creation: these columns of a table, with their constraints, defaults and descriptions."""
    fields: dict[str, Any] = {name: _field(model, name) for name in names}
    schema = create_model(f"{model.__name__}Create", __base__=CreateSchema, **fields)
    if example:
        schema.model_config["json_schema_extra"] = {"examples": [dict(example)]}
    return schema


def build_update_schema(model: type[SQLModel], create: type[BaseModel]) -> type[BaseModel]:
    """The body of an update: the fields of the creation, each optional."""
    fields: dict[str, Any] = {name: _optional(field) for name, field in create.model_fields.items()}
    return create_model(f"{model.__name__}Update", __base__=UpdateSchema, **fields)


def build_read_schema(model: type[SQLModel], names: Iterable[str]) -> type[BaseModel]:
    """A response with these columns. All of them are always present."""
    fields: dict[str, Any] = {}
    for name in names:
        annotation, field = _field(model, name)
        fields[name] = (annotation, Field(description=field.description, json_schema_extra=field.json_schema_extra))
    return create_model(f"{model.__name__}Read", __base__=Schema, **fields)


def build_query(model: type[SQLModel], filters: Iterable[str], sortable: tuple[str, ...]) -> type[ListQuery]:
    """The query parameters of the list: those of every list, and one for each filtered column."""
    fields: dict[str, Any] = {}
    for name in filters:
        annotation, field = _field(model, name)
        text = f"Returns only items with this value. {field.description or ''}".strip()
        fields[name] = (annotation | None, Field(None, description=text))
    query = create_model(f"{model.__name__}Query", __base__=ListQuery, **fields)
    query.sortable = sortable
    return query


def _optional(declared: FieldInfo) -> tuple[Any, FieldInfo]:
    field = copy(declared)
    field.default, field.default_factory = NOT_GIVEN, None
    return field.annotation, field


def _field(model: type[SQLModel], name: str) -> tuple[Any, FieldInfo]:
    field = copy(model.model_fields[name])
    return field.annotation, field
