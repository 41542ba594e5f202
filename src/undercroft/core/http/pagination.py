"""Lists in parts: by page number with a total, or by cursor without one.

class ProjectQuery(ListQuery):
    sortable = ("created_at", "name")
    status: ProjectStatus | None = None

@router.get("", response_model=Page[ProjectRead])
async def list_projects(query: Annotated[ProjectQuery, query(ProjectQuery)], …):
    return Page.of(await service.list(query.paging), ProjectRead.model_validate)
"""

import re
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Generic, Self, TypeVar
from uuid import UUID

from msgspec import structs
from pydantic import Field, field_validator
from starlette.responses import Response

from undercroft.core.db.repository import DEFAULT_SIZE, Paging, Position, RowPage
from undercroft.core.errors import Unprocessable
from undercroft.core.http.body import json_response
from undercroft.core.http.query import query
from undercroft.core.validation import Schema
from undercroft.core.validation.text import normalize_unicode

R = TypeVar("R")
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
    size: int = Field(DEFAULT_SIZE, ge=1, le=MAX_SIZE, description="Items per page.")

    @property
    def paging(self) -> Paging:
        """The part of the list that the client requests. Raises `InvalidCursor`."""
        return Paging(self.page, self.size)


class PageQuery(PageNumberQuery):
    """`page`, `size`, `q` and `sort` of an offset page.

    `sort` takes the fields in `sortable`, and each of `filterable` is a query parameter with the value of a column.
    """

    sortable: ClassVar[tuple[str, ...]] = ()
    filterable: ClassVar[tuple[str, ...]] = ()

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
    def paging(self) -> Paging:
        return structs.replace(super().paging, q=self.q, sort=self.sort)

    @property
    def filters(self) -> dict[str, Any]:
        """The values of the filters by their names, for `Repository.matching`; None matches everything."""
        return {name: getattr(self, name) for name in self.filterable}

    @property
    def filtered_paging(self) -> Paging:
        """`paging` with `filters`, which a list of a repository applies."""
        return structs.replace(self.paging, filters=self.filters)


class CursorQuery(PageNumberQuery):
    """`page` and `size`, or `cursor` and `limit` of a cursor page, which take precedence."""

    cursor: str | None = Field(
        None,
        max_length=64,
        description="`next_cursor` of the previous response.",
        json_schema_extra={"pattern": CURSOR_PATTERN},
    )
    limit: int | None = Field(None, ge=1, le=MAX_SIZE, description=f"Items per cursor page; {DEFAULT_SIZE} by default.")

    @property
    def paging(self) -> Paging:
        paging = super().paging
        if self.cursor is None and self.limit is None:
            return paging
        after = decode_cursor(self.cursor) if self.cursor is not None else None
        return structs.replace(paging, size=self.limit or DEFAULT_SIZE, keyset=True, after=after)


class ListQuery(CursorQuery, PageQuery):
    """All query parameters of a list."""


PageNumberQueryDep = Annotated[PageNumberQuery, query(PageNumberQuery)]
PageQueryDep = Annotated[PageQuery, query(PageQuery)]


class Page(Schema, Generic[T]):
    """Part of a list: a page with the total, or with `cursor` or `limit` the items after a cursor, without a total."""

    items: list[T] = Field(description="The items, in the order of the request.")
    total: int | None = Field(ge=0, description="Number of items on all pages; null with a cursor.")
    page: int | None = Field(ge=1, description="Page number, starting at 1; null with a cursor.")
    size: int = Field(ge=1, le=MAX_SIZE, description="Maximum number of items.")
    pages: int | None = Field(ge=0, description="Number of pages; null with a cursor.")
    next_cursor: str | None = Field(
        description="Value of `cursor` for the next items; null at the end, and without `cursor` and `limit`.",
        examples=["AQAOH2RqbTFAAZjzwnpBfD6dVQtvHy96EA"],
    )

    @classmethod
    def of(cls, rows: RowPage[R], read: Callable[[R], T]) -> Self:
        """Build the response from rows of a repository, each converted by `read`."""
        return cls(items=[read(row) for row in rows.items], **describe_page(rows))


def page_response(rows: RowPage[dict[str, Any]]) -> Response:
    """The same response without validation, for lists where every microsecond counts."""
    return json_response({"items": rows.items, **describe_page(rows)})


def describe_page(rows: RowPage[Any]) -> dict[str, Any]:
    """The fields of `Page` beside its items."""
    paging, total = rows.paging, rows.total
    return {
        "total": total,
        "page": None if paging.keyset else paging.page,
        "size": paging.size,
        "pages": None if total is None else -(-total // paging.size),
        "next_cursor": encode_cursor(rows.next),
    }


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
