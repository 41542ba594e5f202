"""Admin view of one table, read-only unless it declares how its rows may be changed.

Reads use the application's read sessions, without a transaction. Columns named like secrets are hidden.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import Any, ClassVar, cast

from markupsafe import Markup
from sqladmin.formatters import BASE_FORMATTERS
from sqladmin.helpers import get_object_identifier, get_primary_keys, secure_filename
from sqladmin.pagination import Pagination
from sqlalchemy import ColumnElement, Select, false, func, inspect, or_, select
from starlette.requests import Request
from starlette.responses import StreamingResponse
from wtforms import Form, SelectField, TextAreaField

from undercroft.core.admin.columns import (
    contains_term,
    enum_field_args,
    get_filter_title,
    get_label,
    get_multiline_columns,
    get_secret_attributes,
    humanize,
)
from undercroft.core.admin.editable_view import EditableView
from undercroft.core.admin.extra_fields import ViewFields
from undercroft.core.audit import Entry, record
from undercroft.core.errors import NotFound
from undercroft.core.http.extended_schemas import extended
from undercroft.core.spreadsheets import stream_csv

Names = list[str]
Rows = list[Any]

MAX_EXPORT = 20_000
TYPE_FORMATTERS: dict[type, Any] = {
    datetime: lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S"),
    list: lambda items: ", ".join(map(str, items)),
    dict: lambda value: json.dumps(value, default=str, ensure_ascii=False) if value else "",
}


class AdminView(EditableView):
    """A `ModelView` of SQLAdmin with the application's sessions, audit entries and conventions.

    `schema` declares the fields that may be edited and validates them; without it the view is read-only. `references`
    maps columns to the `identity` of the view that they refer to; they are shown as links with that view's `label`.
    `choices` are the columns with enum values, which are shown as words. `groups` are headings with their columns;
    other columns follow. `delete_warning` is shown before a row is deleted. `update_row`, `create_row` and `delete_row`
    are the use cases: override them to call a service, which then records the audit entry. The defaults record
    `noun.changed`, `noun.created` and `noun.deleted`.
    """

    references: ClassVar[Mapping[str, str]] = {}
    choices: ClassVar[Mapping[str, type[Enum]]] = {}
    groups: ClassVar[Mapping[str, Sequence[str]]] = {}
    label: ClassVar[str] = ""
    delete_warning: ClassVar[str] = "This cannot be undone."

    can_create = False
    can_edit = False
    can_delete = False
    can_import = False
    export_types: ClassVar[Names] = ["csv", "json"]
    export_max_rows = MAX_EXPORT
    page_size = 25
    page_size_options: ClassVar[Sequence[int]] = [25, 50, 100]

    column_type_formatters: ClassVar[dict[type, Any]] = {**BASE_FORMATTERS, **TYPE_FORMATTERS}

    def __init__(self) -> None:
        self._secret_attributes = get_secret_attributes(inspect(self.model))
        self.extra = ViewFields(self.model)
        own: Any = self
        own.schema = extended(self.schema) if self.schema else None
        own.column_sortable_list = [*self.column_sortable_list, *self.extra.sortable]
        own.column_filters = [*self.column_filters, *self.extra.filters()]
        own.choices = {**self.choices, **self.extra.choices}
        own.can_edit = self.schema is not None
        own.form_overrides = {
            **dict.fromkeys(get_multiline_columns(inspect(self.model)), TextAreaField),
            **dict.fromkeys(self.choices, SelectField),
            **self.form_overrides,
        }
        own.form_args = {**{name: enum_field_args(values) for name, values in self.choices.items()}, **self.form_args}
        formatters = {
            **dict.fromkeys(self.choices, _format_choice),
            **dict.fromkeys(self.references, self._format_reference),
        }
        own.column_formatters = {**formatters, **self.column_formatters}
        own.column_labels = {
            **{name: get_label(name) for name in map(str, inspect(self.model).columns.keys())},
            **self.extra.labels,
            **self.column_labels,
        }
        own.column_formatters_detail = {**formatters, **self.column_formatters_detail}
        for each in self.column_filters:
            each.title = get_filter_title(each)
        super().__init__()

    # Form

    async def scaffold_form(self, rules: Names | None = None) -> type[Form]:
        form = await super().scaffold_form(rules)
        return await self.extra.extend_form(form, self.extra.editable(self.schema), self.session_maker)

    async def get_form_data_for_edit(self, obj: Any) -> dict[str, Any]:
        return {**await super().get_form_data_for_edit(obj), **self.extra.state(obj)}

    # Display

    def get_display_name(self, row: Any) -> str:
        """The row's label, otherwise its id."""
        return str((self.label and getattr(row, self.label)) or get_object_identifier(row))

    def get_list_columns(self) -> Names:
        listed = super().get_list_columns() if self._has_option("column_list") else self._prop_names
        return self._with_extra(listed)

    def get_details_columns(self) -> Names:
        return self._with_extra(super().get_details_columns())

    def get_export_columns(self) -> Names:
        return self._with_extra(super().get_export_columns())

    def get_form_columns(self) -> Names:
        if self.schema is None:
            return []
        return [
            name
            for name in self.schema.model_fields
            if name in self._prop_names and name not in self._secret_attributes
        ]

    def get_column_groups(self) -> list[tuple[str, Names]]:
        """The columns of a row, grouped by heading."""
        shown = [*self._details_prop_names]
        groups = [(name, [each for each in names if each in shown]) for name, names in self.groups.items()]
        taken = {*self.extra.names, *(each for _, names in groups for each in names)}
        rest = [each for each in shown if each not in taken]
        return [*groups, ("More" if groups else "", rest), *self.extra.groups]

    def _has_option(self, option: str) -> bool:
        return bool(getattr(self, option, None) or getattr(self, option.replace("_list", "_exclude_list"), None))

    def _with_extra(self, names: Sequence[str]) -> Names:
        """The columns without secrets, then the fields that extensions add."""
        shown = [name for name in names if name not in self._secret_attributes]
        return list(dict.fromkeys([*shown, *self.extra.names]))

    def _format_reference(self, row: Any, name: str, request: Request) -> Any:
        """A reference as a link with the label of the row that it refers to."""
        value = getattr(row, name)
        identity = self.references[name]
        if value is None:
            return ""
        text = request.scope["state"].get("admin_labels", {}).get((identity, value)) or value
        if self.site.find_view(identity) is None:
            return text
        url = request.url_for("admin:details", identity=identity, pk=str(value))
        return Markup('<a href="{}">{}</a>').format(url, text)

    # Queries

    async def _run_query(self, stmt: Any) -> Any:
        async with self.database.read_session() as session:
            return await self.extra.fetch(session, stmt)

    async def _run_arbitrary_query(self, stmt: Any) -> Any:
        async with self.database.read_session() as session:
            return (await session.execute(stmt)).all()

    def _stmt_by_identifier(self, identifier: str) -> Select[Any]:
        """Raises `NotFound` for an id that is not valid for this table."""
        try:
            return cast("Select[Any]", super()._stmt_by_identifier(identifier))
        except (ValueError, TypeError, OverflowError):
            raise NotFound from None

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """Rows in which a searchable column contains the term, or refers to a row with a label that contains it."""
        columns = [getattr(self.model, name) for name in self._search_fields]
        return stmt.where(
            or_(false(), *(contains_term(column, term) for column in columns), *self._reference_filters(term))
        )

    def _reference_filters(self, term: str) -> Iterator[ColumnElement[bool]]:
        for name in self._search_fields:
            view = self.site.find_view(self.references.get(name))
            if view is not None and view.label:
                key, label = get_primary_keys(view.model)[0], getattr(view.model, view.label)
                yield getattr(self.model, name).in_(select(key).where(contains_term(label, term)))

    async def filtered_query(self, request: Request) -> Select[Any]:
        """The query of the list, with its filters, search term and sort order."""
        query: Select[Any] = self.list_query(request)
        for each in self.get_filters():
            value = request.query_params.get(each.parameter_name)
            if not value:
                continue
            if getattr(each, "has_operator", False):
                operation = request.query_params.get(f"{each.parameter_name}_op", "")
                query = await cast(Any, each).get_filtered_query(query, operation, value, self.model)
            else:
                query = await cast(Any, each).get_filtered_query(query, value, self.model)
        if search := request.query_params.get("search"):
            query = self.search_query(query, search)
        return self.sort_query(query, request)

    def sort_query(self, stmt: Select[Any], request: Request) -> Select[Any]:
        name = request.query_params.get("sortBy", "")
        if name in self.extra.sortable:
            return self.extra.sort(stmt, name, descending=request.query_params.get("sort") == "desc")
        return cast("Select[Any]", super().sort_query(stmt, request))

    async def list(self, request: Request) -> Pagination:
        """One page of rows, with the labels of the rows that they refer to."""
        size = self.validate_page_number(request.query_params.get("pageSize"), self.page_size)
        size = min(max(size, 1), max(self.page_size_options))
        query = await self.filtered_query(request)
        (count,) = await self._run_query(select(func.count()).select_from(query.order_by(None).subquery()))
        page = self.validate_page_number(request.query_params.get("page"), 1)
        page = min(max(page, 1), Pagination.max_page(count, size))
        rows = await self._run_query(query.limit(size).offset((page - 1) * size))
        await self._load_labels(request, rows)
        return Pagination(rows=list(rows), page=page, page_size=size, count=count)

    async def get_object_for_details(self, request: Request) -> Any:
        row = await super().get_object_for_details(request)
        if row is not None:
            await self._load_labels(request, [row])
        return row

    async def check_can_view_details(self, request: Request, model: Any) -> bool:
        """Raises `NotFound` if the row does not exist; SQLAdmin would fail."""
        if model is None:
            raise NotFound
        return await super().check_can_view_details(request, model)

    async def check_can_edit(self, request: Request, model: Any) -> bool:
        if model is None:
            raise NotFound
        return await super().check_can_edit(request, model)

    async def _load_labels(self, request: Request, rows: Sequence[Any]) -> None:
        """Load the labels of referenced rows: one statement for each referenced view."""
        labels = request.scope["state"].setdefault("admin_labels", {})
        for column, identity in self.references.items():
            view = self.site.find_view(identity)
            ids = {value for row in rows if (value := getattr(row, column)) is not None}
            if view is None or not view.label or not ids:
                continue
            key, label = get_primary_keys(view.model)[0], getattr(view.model, view.label)
            for found, text in await self._run_arbitrary_query(select(key, label).where(key.in_(ids))):
                labels[identity, found] = text

    # Export

    async def get_model_objects(self, request: Request, limit: int | None = 0) -> Rows:
        """The rows of the filtered list, at most `export_max_rows`. Records an audit entry for the export."""
        rows = await self._run_query((await self.filtered_query(request)).limit(limit or MAX_EXPORT))
        details = {"format": request.path_params["export_type"], "rows": len(rows)}
        async with self.database.session() as session:
            await record(session, Entry(f"{self.target_type}.exported", target_type=self.target_type, details=details))
        return cast(Rows, rows)

    async def _export_csv(self, data: Rows) -> StreamingResponse:
        names = self._export_prop_names
        lines = stream_csv(names, ([getattr(row, name) for name in names] for row in data))
        filename = secure_filename(self.get_export_name(export_type="csv"))
        headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)


def _format_choice(row: Any, name: str, _request: Request) -> str:
    return humanize(str(getattr(row, name) or ""))
