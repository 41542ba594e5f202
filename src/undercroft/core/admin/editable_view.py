"""Create, update and delete rows in `/admin`, each change and its audit entry in one transaction.

A row that changed since the form was opened is not overwritten.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from hashlib import sha256
from typing import Any, ClassVar, cast

import structlog
from pydantic import BaseModel, ValidationError
from sqladmin import ModelView
from starlette.requests import Request

from undercroft.core.admin.extra_fields import ViewFields
from undercroft.core.audit import Entry, changes, record
from undercroft.core.auth import Principal, StepUpRequired
from undercroft.core.db import Database, Session, SoftDeleted, utc_now
from undercroft.core.db.errors import translate_error
from undercroft.core.errors import AppError, Conflict, NotFound, Unprocessable

log = structlog.get_logger("undercroft.error")


class EditConflict(Conflict):
    code = "EDIT_CONFLICT"
    message = "This row changed since you opened the form. Nothing was saved. Reload the form and try again."


class ChangeNotAllowed(Unprocessable):
    code = "CHANGE_NOT_ALLOWED"
    message = "Invalid request."


class SaveFailed(AppError):
    code = "SAVE_FAILED"
    message = "The change could not be saved. See the log for the cause."


class EditableView(ModelView):
    """A `ModelView` of SQLAdmin that changes rows through use cases. `AdminView` describes its options."""

    schema: ClassVar[type[BaseModel] | None] = None
    noun: ClassVar[str] = ""
    database: ClassVar[Database]
    extra: ViewFields
    site: ClassVar[Any]

    @property
    def target_type(self) -> str:
        return self.noun or self.identity.replace("-", "_")

    def row_fingerprint(self, row: Any) -> str:
        """A hash of the row's current state, which the form sends back."""
        values = {name: getattr(row, name) for name in self._mapper.columns.keys()} | dict(self.extra.state(row))  # noqa: SIM118
        state = "\0".join(f"{name}={values[name]!r}" for name in sorted(values))
        return sha256(state.encode("utf-8", "surrogatepass")).hexdigest()

    async def edit_context(self, request: Request) -> dict[str, Any]:
        """When a form is shown again after an error, keep the fingerprint of the time it was first opened."""
        return {} if request.method == "GET" else {"seen": (await request.form()).get("seen", "")}

    async def update_model(self, request: Request, pk: str, data: dict[str, Any]) -> Any:
        seen = (await request.form()).get("seen")
        async with self._transaction() as session:
            row = await self._lock_row(session, pk)
            if seen != self.row_fingerprint(row):
                raise EditConflict
            names = [*self.get_form_columns(), *self.extra.editable(self.schema)]
            wanted = self._validate({name: data[name] for name in names if name in data})
            _, differing = changes(row, wanted)
            if differing:
                await self.update_row(session, row, differing, by=get_principal(request))
        return row

    async def insert_model(self, request: Request, data: dict[str, Any]) -> Any:
        async with self._transaction() as session:
            return await self.create_row(session, self._validate(data), by=get_principal(request))

    async def delete_model(self, request: Request, pk: Any) -> None:
        async with self._transaction() as session:
            await self.delete_row(session, await self._lock_row(session, str(pk)), by=get_principal(request))

    async def update_row(self, session: Session, row: Any, values: Mapping[str, Any], *, by: Principal) -> None:
        """Change these fields of a locked row and record an audit entry."""
        before, after = changes(row, values)
        for name, value in values.items():
            setattr(row, name, value)
        await session.flush()
        await record(session, self._audit_entry("changed", row, by, before=before, after=after))

    async def create_row(self, session: Session, values: Mapping[str, Any], *, by: Principal) -> Any:
        """Create a row and record an audit entry."""
        row = self.model(**values)
        session.add(row)
        await session.flush()
        await record(session, self._audit_entry("created", row, by, after=values))
        return row

    async def delete_row(self, session: Session, row: Any, *, by: Principal) -> None:
        """Soft-delete the row if its model supports it and it is not deleted yet, else delete it. Record an audit
        entry.
        """
        if not isinstance(row, SoftDeleted):
            await session.delete(row)
        elif row.deleted_at is None:
            row.deleted_at = utc_now()
        else:
            return
        await session.flush()
        await record(session, self._audit_entry("deleted", row, by, before={"deleted": False}, after={"deleted": True}))

    def _audit_entry(self, verb: str, row: Any, by: Principal, **values: Any) -> Entry:
        return Entry(
            f"{self.target_type}.{verb}",
            by.user_id,
            self.target_type,
            getattr(row, "id", None),
            team_id=getattr(row, "team_id", None),
            **values,
        )

    def _validate(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The values as validated by the schema. Raises `ChangeNotAllowed` with the validation errors."""
        if self.schema is None:
            raise ChangeNotAllowed("This table is read-only.")
        try:
            return self.schema.model_validate(values).model_dump(exclude_unset=True)
        except ValidationError as error:
            errors = [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors()]
            raise ChangeNotAllowed("; ".join(errors)) from None

    async def _lock_row(self, session: Session, pk: str) -> Any:
        query = self._stmt_by_identifier(pk).with_for_update().execution_options(populate_existing=True)
        rows = [*await self.extra.fetch(session, query)]
        if not rows:
            raise NotFound
        return rows[0]

    @asynccontextmanager
    async def _transaction(self) -> AsyncIterator[Session]:
        """One transaction. An unexpected error is logged and shown to the administrator without its cause."""
        try:
            async with self.database.session() as session:
                yield session
        except StepUpRequired as error:
            message = f"Confirm your identity: sign in again at {self.site.sign_in_path}, then retry."
            raise StepUpRequired(message) from error
        except AppError:
            raise
        except Exception as error:
            for_client = translate_error(error)
            if for_client is None:
                log.error("unhandled error", exc_info=error, view=self.identity)
            raise for_client or SaveFailed() from error


def get_principal(request: Request) -> Principal:
    """The administrator that the guard of `/admin` authenticated."""
    return cast(Principal, request.scope["state"]["principal"])
