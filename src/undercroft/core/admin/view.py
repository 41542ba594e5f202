"""One table in `/admin`. It is read-only until it says by what its rows may be changed.

Everything runs on this product's sessions: reads without a transaction, a change and its audit entry in one. A row that
somebody else changed since the form was opened is not overwritten. Secrets are left out by their names.
"""

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from enum import Enum
from hashlib import sha256
from typing import Any, ClassVar, cast

import structlog
from markupsafe import Markup
from pydantic import BaseModel, ValidationError
from sqladmin import ModelView
from sqladmin.formatters import BASE_FORMATTERS
from sqladmin.helpers import get_primary_keys, secure_filename
from sqladmin.pagination import Pagination
from sqlalchemy import Select, String, false, func, inspect, or_, select
from sqlalchemy import cast as as_type
from starlette.requests import Request
from starlette.responses import StreamingResponse
from wtforms import SelectField

from undercroft.core.admin.secrets import hidden
from undercroft.core.audit import Entry, changes, record
from undercroft.core.auth import Principal
from undercroft.core.db import Database, Session, SoftDeleted, utc_now
from undercroft.core.db.errors import translated
from undercroft.core.errors import AppError, Conflict, NotFound, Unprocessable
from undercroft.core.spreadsheets import csv_lines

Names = list[str]
Rows = list[Any]

log = structlog.get_logger("undercroft.error")

MAX_EXPORT = 20_000
TYPE_FORMATTERS: dict[type, Any] = {
    datetime: lambda moment: moment.strftime("%Y-%m-%d %H:%M:%S"),
    list: lambda items: ", ".join(map(str, items)),
    dict: lambda value: json.dumps(value, default=str, ensure_ascii=False) if value else "",
}


class ChangedMeanwhile(Conflict):
    code = "CHANGED_MEANWHILE"
    message = "Somebody has changed this since you opened it. Nothing was saved: open it again to see how it is now."


class NotAllowedHere(Unprocessable):
    code = "NOT_ALLOWED_HERE"
    message = "This does not fit."


class CouldNotBeSaved(AppError):
    code = "COULD_NOT_BE_SAVED"
    message = "This could not be saved. What went wrong is in the log."


def choice(values: type[Enum]) -> dict[str, Any]:
    """For `form_args`: a field that offers the values of an enum. Its column goes into `choices` of the view, too."""
    return {"choices": [(each.value, str(each.value).replace("_", " ").capitalize()) for each in values]}


class AdminView(ModelView):
    """A `ModelView` of SQLAdmin that keeps this product's promises.

    `schema` names the fields that may be edited and checks them; without one nothing may. `references` says which
    columns point to a row of another view (by its `identity`); they are shown as links with that view's `label`.
    `groups` are the headings under which a row's columns are shown, all others following.
    `change`, `make` and `remove` are the use cases: override them where a service has them, which then records the
    audit entry; what is here records `noun.changed`, `noun.created` and `noun.deleted`.
    """

    schema: ClassVar[type[BaseModel] | None] = None
    references: ClassVar[Mapping[str, str]] = {}
    choices: ClassVar[Mapping[str, type[Enum]]] = {}
    groups: ClassVar[Mapping[str, Sequence[str]]] = {}
    label: ClassVar[str] = ""
    noun: ClassVar[str] = ""

    can_create = False
    can_edit = False
    can_delete = False
    can_import = False
    export_types: ClassVar[Names] = ["csv", "json"]
    export_max_rows = MAX_EXPORT
    page_size = 25
    page_size_options: ClassVar[Sequence[int]] = [25, 50, 100]

    column_type_formatters: ClassVar[dict[type, Any]] = {**BASE_FORMATTERS, **TYPE_FORMATTERS}

    database: ClassVar[Database]
    site: ClassVar[Any]

    def __init__(self) -> None:
        self._hidden = hidden(inspect(self.model))
        own: Any = self
        own.can_edit = self.schema is not None
        own.form_overrides = {**self.form_overrides, **dict.fromkeys(self.choices, SelectField)}
        own.form_args = {**{name: choice(values) for name, values in self.choices.items()}, **self.form_args}
        own.column_formatters = {**dict.fromkeys(self.references, self._linked), **self.column_formatters}
        own.column_labels = {
            **{name: _label(name) for name in map(str, inspect(self.model).columns.keys())},
            **self.column_labels,
        }
        own.column_formatters_detail = {
            **dict.fromkeys(self.references, self._linked),
            **self.column_formatters_detail,
        }
        super().__init__()

    @property
    def target_type(self) -> str:
        return self.noun or self.identity.replace("-", "_")

    # What is shown

    def get_list_columns(self) -> Names:
        return self._visible(super().get_list_columns() if self._says("column_list") else self._prop_names)

    def get_details_columns(self) -> Names:
        return self._visible(super().get_details_columns())

    def get_export_columns(self) -> Names:
        return self._visible(super().get_export_columns())

    def get_form_columns(self) -> Names:
        if self.schema is None:
            return []
        return [name for name in self.schema.model_fields if name in self._prop_names and name not in self._hidden]

    def grouped(self) -> list[tuple[str, Names]]:
        """The columns of a row under their headings."""
        shown = [*self._details_prop_names]
        groups = [(name, [each for each in names if each in shown]) for name, names in self.groups.items()]
        taken = {each for _, names in groups for each in names}
        rest = [each for each in shown if each not in taken]
        return [*groups, ("More" if groups else "", rest)]

    def _says(self, option: str) -> bool:
        return bool(getattr(self, option, None) or getattr(self, option.replace("_list", "_exclude_list"), None))

    def _visible(self, names: Sequence[str]) -> Names:
        return [name for name in names if name not in self._hidden]

    # Reading

    async def _run_query(self, stmt: Any) -> Any:
        async with self.database.reading() as session:
            return (await session.execute(stmt)).scalars().unique().all()

    async def _run_arbitrary_query(self, stmt: Any) -> Any:
        async with self.database.reading() as session:
            return (await session.execute(stmt)).all()

    def _stmt_by_identifier(self, identifier: str) -> Select[Any]:
        """Raises `NotFound` for an id that no row of this table could have."""
        try:
            return cast("Select[Any]", super()._stmt_by_identifier(identifier))
        except (ValueError, TypeError, OverflowError):
            raise NotFound from None

    def search_query(self, stmt: Select[Any], term: str) -> Select[Any]:
        """Rows in which a searchable column holds the term, literally."""
        columns = [as_type(getattr(self.model, name), String) for name in self._search_fields]
        return stmt.where(or_(false(), *(column.icontains(term, autoescape=True) for column in columns)))

    async def selected(self, request: Request) -> Select[Any]:
        """What the list's address asks for: filtered, searched and sorted."""
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

    async def list(self, request: Request) -> Pagination:
        """One page of the rows, with the labels of those that they refer to."""
        size = self.validate_page_number(request.query_params.get("pageSize"), self.page_size)
        size = min(max(size, 1), max(self.page_size_options))
        query = await self.selected(request)
        (count,) = await self._run_query(select(func.count()).select_from(query.order_by(None).subquery()))
        page = self.validate_page_number(request.query_params.get("page"), 1)
        page = min(max(page, 1), Pagination.max_page(count, size))
        rows = await self._run_query(query.limit(size).offset((page - 1) * size))
        await self._look_up(request, rows)
        return Pagination(rows=list(rows), page=page, page_size=size, count=count)

    async def get_object_for_details(self, request: Request) -> Any:
        row = await super().get_object_for_details(request)
        if row is not None:
            await self._look_up(request, [row])
        return row

    async def check_can_view_details(self, request: Request, model: Any) -> bool:
        """Raises `NotFound` where there is no row, instead of failing on it."""
        if model is None:
            raise NotFound
        return await super().check_can_view_details(request, model)

    async def check_can_edit(self, request: Request, model: Any) -> bool:
        if model is None:
            raise NotFound
        return await super().check_can_edit(request, model)

    async def _look_up(self, request: Request, rows: Sequence[Any]) -> None:
        """The labels of what these rows refer to: one statement for each view that is referred to."""
        labels = request.scope["state"].setdefault("admin_labels", {})
        for column, identity in self.references.items():
            view = self.site.view_of(identity)
            ids = {value for row in rows if (value := getattr(row, column)) is not None}
            if view is None or not view.label or not ids:
                continue
            key, label = get_primary_keys(view.model)[0], getattr(view.model, view.label)
            for found, text in await self._run_arbitrary_query(select(key, label).where(key.in_(ids))):
                labels[identity, found] = text

    # Export

    async def get_model_objects(self, request: Request, limit: int | None = 0) -> Rows:
        """The rows of the list as it is filtered, at most `export_max_rows`. An export leaves an audit entry."""
        rows = await self._run_query((await self.selected(request)).limit(limit or MAX_EXPORT))
        details = {"format": request.path_params["export_type"], "rows": len(rows)}
        async with self.database.session() as session:
            await record(session, Entry(f"{self.target_type}.exported", target_type=self.target_type, details=details))
        return cast(Rows, rows)

    async def _export_csv(self, data: Rows) -> StreamingResponse:
        names = self._export_prop_names
        lines = csv_lines(names, ([getattr(row, name) for name in names] for row in data))
        filename = secure_filename(self.get_export_name(export_type="csv"))
        headers = {"Content-Disposition": f'attachment; filename="{filename}"', "Cache-Control": "no-store"}
        return StreamingResponse(lines, media_type="text/csv; charset=utf-8", headers=headers)

    # Changing

    def _linked(self, row: Any, name: str, request: Request) -> Any:
        """A reference as a link with the label of what it refers to."""
        value = getattr(row, name)
        identity = self.references[name]
        if value is None:
            return ""
        text = request.scope["state"].get("admin_labels", {}).get((identity, value)) or value
        if self.site.view_of(identity) is None:
            return text
        url = request.url_for("admin:details", identity=identity, pk=str(value))
        return Markup('<a href="{}">{}</a>').format(url, text)

    def seen(self, row: Any) -> str:
        """What tells this state of the row from every other; the form brings it back."""
        state = "\0".join(f"{name}={getattr(row, name)!r}" for name in sorted(self._mapper.columns.keys()))
        return sha256(state.encode("utf-8", "surrogatepass")).hexdigest()

    async def update_model(self, request: Request, pk: str, data: dict[str, Any]) -> Any:
        seen = (await request.form()).get("seen")
        async with self._writing() as session:
            row = await self._hold(session, pk)
            if seen != self.seen(row):
                raise ChangedMeanwhile
            wanted = self._checked({name: data[name] for name in self.get_form_columns() if name in data})
            _, differing = changes(row, wanted)
            if differing:
                await self.change(session, row, differing, by=principal_of(request))
        return row

    async def insert_model(self, request: Request, data: dict[str, Any]) -> Any:
        async with self._writing() as session:
            return await self.make(session, self._checked(data), by=principal_of(request))

    async def delete_model(self, request: Request, pk: Any) -> None:
        async with self._writing() as session:
            await self.remove(session, await self._hold(session, str(pk)), by=principal_of(request))

    async def change(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:
        """Change these fields of a row that is held, and record it."""
        before, after = changes(row, values)
        for name, value in values.items():
            setattr(row, name, value)
        await session.flush()
        await record(session, self._entry("changed", row, by, before=before, after=after))

    async def make(self, session: Session, values: Mapping[str, Any], *, by: Principal) -> Any:
        """Make a row and record it."""
        row = self.model(**values)
        session.add(row)
        await session.flush()
        await record(session, self._entry("created", row, by, after=values))
        return row

    async def remove(self, session: Session, row: Any, *, by: Principal) -> None:
        """Hide a row that can be restored, else delete it, and record it."""
        if isinstance(row, SoftDeleted):
            row.deleted_at = utc_now()
            await session.flush()
        else:
            await session.delete(row)
            await session.flush()
        await record(session, self._entry("deleted", row, by))

    def _entry(self, verb: str, row: Any, by: Principal, **values: Any) -> Entry:
        return Entry(
            f"{self.target_type}.{verb}",
            by.user_id,
            self.target_type,
            getattr(row, "id", None),
            team_id=getattr(row, "team_id", None),
            **values,
        )

    def _checked(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as the schema has them. Raises `NotAllowedHere` saying what does not fit."""
        if self.schema is None:
            raise NotAllowedHere("This cannot be changed here.")
        try:
            return self.schema.model_validate(values).model_dump(exclude_unset=True)
        except ValidationError as error:
            faults = [f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
            raise NotAllowedHere("; ".join(faults)) from None

    async def _hold(self, session: Session, pk: str) -> Any:
        query = self._stmt_by_identifier(pk).with_for_update().execution_options(populate_existing=True)
        row = (await session.scalars(query)).first()
        if row is None:
            raise NotFound
        return row

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[Session]:
        """One transaction. What a person is not to blame for is logged, and told without saying what it was."""
        try:
            async with self.database.session() as session:
                yield session
        except AppError:
            raise
        except Exception as error:
            for_client = translated(error)
            if for_client is None:
                log.error("unhandled error", exc_info=error, view=self.identity)
            raise for_client or CouldNotBeSaved() from error


def _label(name: str) -> str:
    """`full_name` as people read it: Full name; a reference without its `_id`."""
    return name.removesuffix("_id").replace("_", " ").capitalize() if name != "id" else "Id"


def principal_of(request: Request) -> Principal:
    """The administrator, as the gate in front of `/admin` found out."""
    return cast(Principal, request.scope["state"]["principal"])
