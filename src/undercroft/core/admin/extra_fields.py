"""The fields that extensions add to the model of a view: shown like its columns, and in its form if they may be set."""

from collections.abc import Iterable, Iterator, Mapping
from enum import Enum
from typing import Any, get_args

from pydantic import BaseModel
from sqladmin.exceptions import NoConverterFound
from sqladmin.forms import get_model_form
from sqlalchemy import Column, Float, Select, String, inspect
from sqlmodel import SQLModel
from wtforms import FloatField, Form, SelectField, TextAreaField

from undercroft.core.admin.columns import enum_choices, get_label, get_multiline_columns, humanize
from undercroft.core.db import ExtraFields, ReadSession
from undercroft.core.db.entity_fields import EntityFields, entity_fields
from undercroft.core.db.extra_fields import extension_of, table_of

Names = list[str]


class ViewFields:
    """The extra fields of one view. It has none of most models."""

    def __init__(self, model: type[SQLModel]) -> None:
        self._fields = entity_fields(model)
        declared = self._fields.declared if self._fields else ()
        self.groups = [(humanize(extension_of(each)), list(each.shown_names())) for each in declared]
        self.names: Names = [name for _, names in self.groups for name in names]
        self.labels = {name: get_label(name) for name in self.names}
        self.choices = {name: kind for each in declared for name, kind in _enums(each)}
        self.sortable: Names = list(self._fields.sortable) if self._fields else []

    def editable(self, schema: type[BaseModel] | None) -> Names:
        """The fields that a form may change."""
        return [name for name in self.names if schema is not None and name in schema.model_fields]

    def filters(self) -> Iterator["ExtraFieldFilter"]:
        """The filters of the fields with a few values, enums and booleans."""
        for each in self._fields.declared if self._fields else ():
            for name in each.filters:
                kind = each.model_fields[name].annotation
                if self._fields and (name in self.choices or bool in (kind, *get_args(kind))):
                    yield ExtraFieldFilter(self._fields, name, self.choices.get(name))

    def sort(self, query: Select[Any], name: str, *, descending: bool) -> Select[Any]:
        """Sort by one of `sortable`, then by ID. `fetch` joins the fields."""
        assert self._fields is not None
        key, identifier = self._fields.sort_key(name), self._fields.table.c.id
        order = (key.desc(), identifier.desc()) if descending else (key.asc(), identifier.asc())
        return query.order_by(None).order_by(*order)

    def state(self, row: Any) -> Mapping[str, Any]:
        """All fields of a row, also the hidden ones."""
        return self._fields.values_of(row) if self._fields else {}

    async def fetch(self, session: ReadSession, query: Select[Any]) -> Iterable[Any]:
        """The models that a query returns, with the fields."""
        if self._fields is not None and self._fields.is_selected(query):
            return [row[0] for row in await self._fields.fetch(session, query)]
        return (await session.execute(query)).scalars().unique().all()

    async def extend_form(self, form: type[Form], names: Names, session_maker: Any) -> type[Form]:
        """The form with these fields, except those of types for which there is no input."""
        for each in self._fields.declared if self._fields else ():
            for name in each.declared_names():
                if name in names and (field := await self._build_form(each, name, session_maker)):
                    form = type(form.__name__, (form, field), {})
        return form

    async def _build_form(self, declared: type[ExtraFields], name: str, session_maker: Any) -> type[Form] | None:
        overrides: dict[str, Any] = dict.fromkeys(get_multiline_columns(inspect(declared)), TextAreaField)
        overrides |= dict.fromkeys(self.choices, SelectField)
        if isinstance(table_of(declared).c[name].type, Float):  # SQLAdmin knows only Numeric
            overrides[name] = FloatField
        arguments = {name: self._form_arguments(table_of(declared).c[name])}
        try:
            return await get_model_form(
                model=declared,
                session_maker=session_maker,
                only=[name],
                column_labels=self.labels,
                form_args=arguments,
                form_overrides=overrides,
            )
        except NoConverterFound:
            return None

    def _form_arguments(self, column: Column[Any]) -> dict[str, Any]:
        """The choices of an enum, and for a text that may be null how to enter it: leave it empty."""
        arguments: dict[str, Any] = {}
        if column.name in self.choices:
            blank = [("", "")] if column.nullable else []
            arguments["choices"] = [*blank, *enum_choices(self.choices[column.name])]
        if column.nullable and isinstance(getattr(column.type, "impl", column.type), String):
            arguments["filters"] = [lambda value: value or None]
        return arguments


class ExtraFieldFilter:
    """A filter of a list in `/admin`, like those of SQLAdmin."""

    has_operator = False
    template = "sqladmin/filters/lookup_filter.html"

    def __init__(self, fields: EntityFields, name: str, choices: type[Enum] | None) -> None:
        self.parameter_name = name
        self.title = get_label(name)
        self._fields = fields
        self._values: list[tuple[str, str, Any]] = (
            [(*choice, choices(choice[0])) for choice in enum_choices(choices)]
            if choices
            else [("true", "Yes", True), ("false", "No", False)]
        )

    async def lookups(self, _request: Any, _model: Any, _run_query: Any) -> list[tuple[str, str]]:
        return [("__all", "All"), *((value, label) for value, label, _ in self._values)]

    async def get_filtered_query(self, query: Select[Any], value: Any, _model: Any) -> Select[Any]:
        found = [own for each, _, own in self._values if each == value]
        return query.where(*(self._fields.equals(self.parameter_name, own) for own in found))


def _enums(declared: type[ExtraFields]) -> Iterator[tuple[str, type[Enum]]]:
    """The fields with an enum, also with `Level | None`."""
    for name, field in declared.model_fields.items():
        for kind in get_args(field.annotation) or (field.annotation,):
            if isinstance(kind, type) and issubclass(kind, Enum):
                yield name, kind
