"""Privacy declarations of tables: whose data they store, for how long, and what erasing a user means for them.

    class Passkey(SQLModel, table=True):
        __privacy__ = Privacy(
            "the user", "until the account is deleted", erasures=(Erasure("user_id"),),
            personal=("name",), non_personal=("transports",),
        )

Every model with a table declares it, and every text or JSON column is either personal or non-personal; a test checks
this. `erase_user` derives the statements of an erasure from these declarations.
"""

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import (
    ARRAY,
    JSON,
    Column,
    ColumnElement,
    LargeBinary,
    String,
    Table,
    Text,
    cast,
    delete,
    literal_column,
    or_,
    update,
)
from sqlmodel import SQLModel

from undercroft.core.db.session import Session
from undercroft.core.model_classes import model_classes
from undercroft.core.telemetry.redaction import is_secret_name


class ColumnContent(Enum):
    """The content of the column of an erasure."""

    USER_ID = "the id of a user"
    EMAIL = "an email address"
    JSON = "JSON that may contain the id of a user"


class Erasure(Struct, frozen=True):
    """Rows whose `column` refers to an erased user are deleted, or updated if `values` are given.

    `condition` is an additional SQL condition on the row's columns.
    """

    column: str
    content: ColumnContent = ColumnContent.USER_ID
    values: Mapping[str, Any] | None = None
    condition: str = ""


class Privacy(Struct, frozen=True):
    """`subject` and `retention` document whose data the rows are, and how long they are stored at most.

    Text and JSON columns are `personal`, or `non_personal` if they identify no one. A table with personal columns has
    `erasures`, unless its rows are deleted together with other rows, which `erasure_note` names.
    """

    subject: str
    retention: str
    personal: tuple[str, ...] = ()
    non_personal: tuple[str, ...] = ()
    erasures: tuple[Erasure, ...] = ()
    erasure_note: str = ""


def declarations() -> dict[str, Privacy | None]:
    """The declaration of every table, by table name; None if there is none."""
    return {table.name: model.__dict__.get("__privacy__") for model, table in _models()}


async def erase_user(session: Session, user_id: UUID, addresses: Collection[str]) -> dict[str, int]:
    """Erase the data of a user who had these email addresses. Returns the number of rows by table, without zeros."""
    erased: dict[str, int] = {}
    for model, table in _models():
        privacy: Privacy | None = model.__dict__.get("__privacy__")
        for erasure in privacy.erasures if privacy else ():
            rows = await session.rowcount(_statement(table, erasure, user_id, addresses))
            if rows:
                erased[table.name] = erased.get(table.name, 0) + rows
    return erased


def _statement(table: Table, erasure: Erasure, user_id: UUID, addresses: Collection[str]) -> Any:
    where = [_matches_user(table.c[erasure.column], erasure.content, user_id, addresses)]
    if erasure.condition:
        where.append(literal_column(f"({erasure.condition})"))
    if erasure.values is None:
        return delete(table).where(*where)
    changed = or_(*(table.c[name].is_distinct_from(value) for name, value in erasure.values.items()))
    return update(table).where(*where, changed).values(erasure.values)


def _matches_user(
    column: ColumnElement[Any], content: ColumnContent, user_id: UUID, addresses: Collection[str]
) -> ColumnElement[bool]:
    match content:
        case ColumnContent.USER_ID:
            return column == user_id
        case ColumnContent.EMAIL:
            return column.in_(addresses)
        case ColumnContent.JSON:
            return cast(column, Text).contains(str(user_id))


def is_secret(model: type[SQLModel], column: Column[Any]) -> bool:
    """Whether a column stores a secret or its hash, which no developer tool shows.

    It does if its field is declared with `repr=False`, if it is binary, or if it is text or JSON and its name marks a
    secret (`token`, `password_hash`, `api_key` …), as in the log.
    """
    field = model.model_fields.get(column.key)
    if field is not None and field.repr is False:
        return True
    if isinstance(column.type, LargeBinary):
        return True
    return isinstance(column.type, String | JSON | ARRAY) and is_secret_name(column.name)


def _models() -> Iterator[tuple[Any, Table]]:
    tables = ((model, model.__table__) for model in model_classes())  # type: ignore[attr-defined]
    return iter(sorted(tables, key=lambda each: str(each[1])))
