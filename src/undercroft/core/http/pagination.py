"""Paginated lists: by page number with a total count, or by cursor without one.

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
"""Far below the maximum of PostgreSQL's OFFSET with pages of 100 rows."""

CURSOR_PATTERN = "^A[Q-Za-f][A-Za-z0-9_-]{30}$"

_EPOCH = datetime(1900, 1, 1, tzinfo=UTC)
_LAYOUT = struct.Struct(">Q16s")
_VERSION = 1 << 56
_CURSOR = re.compile(CURSOR_PATTERN)
_MICROSECOND = timedelta(microseconds=1)


class InvalidCursor(Unprocessable):
    code = "INVALID_CURSOR"
    message = "The cursor is invalid. Use `next_cursor` of the previous response, or omit it to start over."


class PageNumberQuery(Schema):
    """`page` and `size` of an offset page."""

    page: int = Field(1, ge=1, le=MAX_PAGE, description="Page number, starting at 1.")
    size: int = Field(20, ge=1, le=MAX_SIZE, description="Items per page.")


class PageQuery(PageNumberQuery):
    """`page`, `size`, `q` and `sort` of an offset page."""

    sortable: ClassVar[tuple[str, ...]] = ()

    q: str | None = Field(None, max_length=200, pattern=r"^[^\x00]*$", description="Search text.")
    sort: str | None = Field(
        None,
        max_length=64,
        description="Field to sort by; `-name` is descending. Cursor pages use `-created_at`.",
    )

    @field_validator("q")
    @classmethod
    def _normalize_q(cls, value: str | None) -> str | None:
        """Normalize the search text like stored text, so that both match."""
        return normalize_unicode(value) or None if value else None

    @property
    def checked_sort(self) -> str | None:
        """`sort` if it is one of `sortable`. Raises `UnknownSort`, which lists them."""
        return checked_sort(self.sort, self.sortable)


class CursorQuery(PageNumberQuery):
    """`page` and `size`, or `cursor` and `limit` of a cursor page, which take precedence."""

    cursor: str | None = Field(
        None,
        max_length=64,
        description="`next_cursor` of the previous response.",
        json_schema_extra={"pattern": CURSOR_PATTERN},
    )
    limit: int | None = Field(None, ge=1, le=MAX_SIZE, description="Items per cursor page; 20 by default.")

    @property
    def uses_cursor(self) -> bool:
        """Whether the client requests a cursor page instead of an offset page."""
        return self.cursor is not None or self.limit is not None

    @property
    def position(self) -> Position | None:
        """The position after which to continue; None at the beginning. Raises `InvalidCursor`."""
        return decode_cursor(self.cursor) if self.cursor is not None else None


class ListQuery(PageQuery, CursorQuery):
    """All query parameters of a list."""


class Page(Schema, Generic[T]):
    """An offset page."""

    items: list[T]
    total: int = Field(ge=0, description="Number of items on all pages.")
    page: int = Field(ge=1)
    size: int = Field(ge=1, le=MAX_SIZE)
    pages: int = Field(ge=0, description="Number of pages.")

    @classmethod
    def of(cls, items: Sequence[T], *, total: int, page: int, size: int) -> Self:
        return cls(items=list(items), total=total, page=page, size=size, pages=pages(total, size))


class CursorPage(Schema, Generic[T]):
    """A cursor page."""

    items: list[T]
    next_cursor: str | None = Field(description="Value of `cursor` for the next page; null on the last page.")


def pages(total: int, size: int) -> int:
    """The number of pages of this size for so many rows."""
    return -(-total // size)


def checked_sort(sort: str | None, sortable: Sequence[str]) -> str | None:
    """`sort` if its field is in `sortable`. Raises `UnknownSort`, which lists them."""
    if not sort:
        return None
    if sort.removeprefix("-") not in sortable:
        raise UnknownSort(details={"sort": sort[:64], "allowed": list(sortable)})
    return sort


def encode_cursor(position: Position | None) -> str | None:
    """A position as an opaque text of 32 characters; None for None. `created_at` must be from 1900 to 4183."""
    if position is None:
        return None
    microseconds = (position.created_at - _EPOCH) // _MICROSECOND
    return urlsafe_b64encode(_LAYOUT.pack(_VERSION + microseconds, position.id.bytes)).decode()


def decode_cursor(cursor: str) -> Position:
    """The position of a cursor. Raises `InvalidCursor`.

    Cursors are not signed: a forged one only addresses another position in a list that the caller may read anyway.
    """
    if not _CURSOR.fullmatch(cursor):
        raise InvalidCursor
    versioned, key = _LAYOUT.unpack(urlsafe_b64decode(cursor))
    return Position(_EPOCH + timedelta(microseconds=versioned - _VERSION), UUID(bytes=key))
