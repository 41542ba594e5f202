"""Whose data a table stores, for how long, and what erasing a user means for it: declared on the model.

    class Passkey(SQLModel, table=True):
        __privacy__ = Privacy(
            "the user", "until the account is deleted", erasures=(Erasure("user_id"),),
            personal=("name",), plain=("transports",),
        )

Every table declares it, and every column of text or JSON is either personal or plain; a test fails otherwise. What is
done when a user is erased is derived from these declarations (`erase_user`).
"""

from collections.abc import Collection, Iterator, Mapping
from enum import Enum
from typing import Any
from uuid import UUID

from msgspec import Struct
from sqlalchemy import ColumnElement, Table, Text, cast, delete, literal_column, or_, update

from undercroft.core.db.session import Session
from undercroft.core.model_classes import model_classes


class ColumnContent(Enum):
    """What the column of an erasure holds."""

    USER_ID = "the id of a user"
    EMAIL = "an email address"
    JSON = "JSON that may contain the id of a user"


class Erasure(Struct, frozen=True):
    """Rows whose `column` is about an erased user are deleted or, when `values` are given, changed to these values.

    `condition` is a condition in SQL on the row's own columns.
    """

    column: str
    content: ColumnContent = ColumnContent.USER_ID
    values: Mapping[str, Any] | None = None
    condition: str = ""


class Privacy(Struct, frozen=True):
    """`subject` and `retention` are for readers: whose data the rows are, and how long they are stored at most.

    Columns of text or JSON are `personal`, or `non_personal` when they hold nothing that a person is known by. A table
    with personal columns has `erasures`, unless the rows are removed with something else, which `erasure_note` names.
    """

    subject: str
    retention: str
    personal: tuple[str, ...] = ()
    non_personal: tuple[str, ...] = ()
    erasures: tuple[Erasure, ...] = ()
    erasure_note: str = ""


def declarations() -> dict[str, Privacy | None]:
    """The declaration of every table that a model defines, by its name; None where there is none."""
    return {table.name: model.__dict__.get("__privacy__") for model, table in _models()}


async def erase_user(session: Session, user_id: UUID, addresses: Collection[str]) -> dict[str, int]:
    """Erase what the tables declare about a user who had these email addresses; rows by table, where there were any."""
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


def _models() -> Iterator[tuple[Any, Table]]:
    tables = ((model, model.__table__) for model in model_classes())  # type: ignore[attr-defined]
    return iter(sorted(tables, key=lambda each: str(each[1])))
