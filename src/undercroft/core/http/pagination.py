"""Lists in pages: by number with a total, or by a cursor without one.

class ProjectQuery(ListQuery):
    sortable = ("created_at", "name")
    status: ProjectStatus | None = None

@router.get("", response_model=Page[ProjectRead] | CursorPage[ProjectRead])
async def list_projects(query: Annotated[ProjectQuery, query(ProjectQuery)], …):
    if query.uses_cursor:
        found = await service.list_after(q=query.q, after=query.position, limit=query.limit)
        return CursorPage(items=…, next_cursor=encode_cursor(found.next))
    found = await service.list(q=query.q, sort=query.sort, page=query.page, size=query.size)
    return Page.of(items, total=found.total, page=query.page, size=query.size)
"""

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import ClassVar, Generic, Self, TypeVar
from uuid import UUID

from pydantic import Field, field_validator

from undercroft.core.db.repository import Position, UnknownSort
from undercroft.core.errors import Unprocessable
from undercroft.core.validation import Schema
from undercroft.core.validation.text import normalize_unicode

T = TypeVar("T")

MAX_SIZE = 100
MAX_PAGE = 1_000_000_000
"""With pages of 100 rows, far below what PostgreSQL's OFFSET can hold."""

CURSOR_PATTERN = "^A[Q-Za-f][A-Za-z0-9_-]{30}$"

_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">Q16s")
_VERSION = 1 << 56
_CURSOR = re.compile(CURSOR_PATTERN)
_MICROSECOND = timedelta(microseconds=1)


class InvalidCursor(Unprocessable):
    code = "INVALID_CURSOR"
    message = "This cursor is not one of ours; take `next_cursor` as it was given, or begin without."


class PageNumberQuery(Schema):
    """`page` and `size` of an offset listing."""

    page: int = Field(1, ge=1, le=MAX_PAGE, description="Counted from 1.")
    size: int = Field(20, ge=1, le=MAX_SIZE, description="How many on a page.")


class PageQuery(PageNumberQuery):
    """The same, and `q` and `sort`."""

    sortable: ClassVar[tuple[str, ...]] = ()

    q: str | None = Field(None, max_length=200, pattern=r"^[^\x00]*$", description="Search for this text.")
    sort: str | None = Field(
        None, max_length=64, description="A field's name; `-name` is descending. Cursors always go by `-created_at`."
    )

    @field_validator("q")
    @classmethod
    def _normalize_q(cls, value: str | None) -> str | None:
        """In the form in which text is kept: what was typed once is found by typing it again."""
        return normalize_unicode(value) or None if value else None

    @property
    def checked_sort(self) -> str | None:
        """`sort`, when it names one of `sortable`. Raises `UnknownSort`, which lists them."""
        return checked_sort(self.sort, self.sortable)


class CursorQuery(PageNumberQuery):
    """`page` and `size`, and `cursor` and `limit` of a keyset listing; those win when either is given."""

    cursor: str | None = Field(
        None,
        max_length=64,
        description="`next_cursor` of the answer before.",
        json_schema_extra={"pattern": CURSOR_PATTERN},
    )
    limit: int | None = Field(None, ge=1, le=MAX_SIZE, description="How many after the cursor; 20 when left out.")

    @property
    def uses_cursor(self) -> bool:
        """Whether a stretch after a cursor is asked for, instead of a page."""
        return self.cursor is not None or self.limit is not None

    @property
    def position(self) -> Position | None:
        """Where to go on; None at the beginning. Raises `InvalidCursor`."""
        return decode_cursor(self.cursor) if self.cursor is not None else None


class ListQuery(PageQuery, CursorQuery):
    """Everything that a listing may be asked for."""


class Page(Schema, Generic[T]):
    """One page of an offset listing."""

    items: list[T]
    total: int = Field(ge=0, description="How many there are on all pages.")
    page: int = Field(ge=1)
    size: int = Field(ge=1, le=MAX_SIZE)
    pages: int = Field(ge=0, description="How many pages there are.")

    @classmethod
    def of(cls, items: Sequence[T], *, total: int, page: int, size: int) -> Self:
        return cls(items=list(items), total=total, page=page, size=size, pages=pages(total, size))


class CursorPage(Schema, Generic[T]):
    """One stretch of a keyset listing."""

    items: list[T]
    next_cursor: str | None = Field(description="Given as `cursor`, asks for what follows; null at the end.")


def pages(total: int, size: int) -> int:
    """How many pages of this size hold so many rows."""
    return -(-total // size)


def checked_sort(sort: str | None, sortable: Sequence[str]) -> str | None:
    """`sort`, when its field is among these. Raises `UnknownSort`, which lists them."""
    if not sort:
        return None
    if sort.removeprefix("-") not in sortable:
        raise UnknownSort(details={"sort": sort[:64], "allowed": list(sortable)})
    return sort


def encode_cursor(position: Position | None) -> str | None:
    """A position as an opaque text of 32 letters; None for none. For rows made from 1900 to 4183."""
    if position is None:
        return None
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(_LAYOUT.pack(_VERSION + microseconds, position.id.bytes)).decode()


def decode_cursor(cursor: str) -> Position:
    """The position that a cursor stands for. Raises `InvalidCursor`.

    Cursors are not signed: one made up only names another place in a list that its caller may see anyway.
    """
    if not _CURSOR.fullmatch(cursor):
        raise InvalidCursor
    versioned, key = _LAYOUT.unpack(urlsafe_b64decode(cursor))
    return Position(_EPOCH + timedelta(microseconds=versioned - _VERSION), UUID(bytes=key))
