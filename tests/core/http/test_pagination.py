from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from undercroft.core.db.repository import Position, UnknownSort
from undercroft.core.http.pagination import (
    CursorPage,
    InvalidCursor,
    ListQuery,
    Page,
    decode_cursor,
    encode_cursor,
    pages,
)
from undercroft.core.ids import new_id


class Query(ListQuery):
    sortable = ("created_at", "name")


class TestBounds:
    @pytest.mark.parametrize(
        "values",
        [
            {"page": 0}, {"page": -1}, {"page": 10**9 + 1}, {"page": "1e3"}, {"page": "9" * 400}, {"size": 0},
            {"size": 101}, {"size": "many"}, {"limit": 0}, {"limit": 101}, {"q": "x" * 201}, {"q": "a\0b"},
            {"cursor": "x" * 65}, {"sort": "x" * 65},
        ],
    )  # fmt: skip
    def test_values_out_of_bounds_are_refused(self, values: dict[str, Any]) -> None:
        with pytest.raises(ValidationError):
            Query.model_validate(values)

    def test_offset_of_the_last_page_fits_postgresql(self) -> None:
        query = Query(page=10**9, size=100)

        assert query.page * query.size < 2**63

    def test_defaults_are_sensible(self) -> None:
        query = Query.model_validate({})

        assert (query.page, query.size, query.q, query.checked_sort) == (1, 20, None, None)
        assert not query.uses_cursor

    def test_empty_search_is_none(self) -> None:
        assert Query(q="   ").q is None
        assert Query(q=" two words ").q == "two words"

    @pytest.mark.parametrize("values", [{"limit": 5}, {"cursor": ""}, {"cursor": "abc"}])
    def test_cursor_or_limit_requests_a_cursor_page(self, values: dict[str, Any]) -> None:
        assert Query.model_validate(values).uses_cursor


class TestSort:
    @pytest.mark.parametrize("sort", ["name", "-name", "created_at", "-created_at"])
    def test_sortable_field_is_accepted(self, sort: str) -> None:
        assert Query(sort=sort).checked_sort == sort

    @pytest.mark.parametrize("sort", ["password", "--name", "name;drop table", "-", "name,id", "__class__"])
    def test_other_sort_field_is_refused_with_the_allowed_ones(self, sort: str) -> None:
        with pytest.raises(UnknownSort) as refused:
            _ = Query(sort=sort).checked_sort
        assert refused.value.details == {"sort": sort, "allowed": ["created_at", "name"]}


class TestCursor:
    @pytest.mark.parametrize(
        "moment",
        [
            datetime(2026, 11, 21, 14, 3, 7, 123456, UTC),
            datetime(1969, 12, 31, 23, 59, 59, 999999, UTC),
            datetime(4183, 1, 1, tzinfo=UTC),
            datetime(1900, 1, 1, tzinfo=UTC),
        ],
    )
    def test_cursor_round_trips_to_the_microsecond(self, moment: datetime) -> None:
        position = Position(moment, new_id())
        cursor = encode_cursor(position)

        assert cursor is not None
        assert decode_cursor(cursor) == position
        assert Query(cursor=cursor).position == position

    @pytest.mark.parametrize("cursor", ["AQ" + "A" * 30, "Af" + "_" * 30, "AX0-_zZ9" + "q" * 24])
    def test_every_cursor_that_matches_the_pattern_decodes(self, cursor: str) -> None:
        assert encode_cursor(decode_cursor(cursor)) == cursor

    def test_no_position_has_no_cursor(self) -> None:
        assert encode_cursor(None) is None
        assert Query(limit=5).position is None

    @pytest.mark.parametrize(
        "cursor",
        [
            "",
            "x",
            "null",
            "====",
            "AAAA",
            "A" * 34,
            "AQ" + "_" * 32,
            "AX" + "A" * 32,
            "é" * 10,
            "'; select 1",
            "\0" * 34,
            "A" * 33 + "+",
            "A" * 64,
        ],
    )
    def test_invalid_cursor_is_a_client_error(self, cursor: str) -> None:
        with pytest.raises(InvalidCursor):
            decode_cursor(cursor)

    def test_cursor_with_a_suffix_is_invalid(self) -> None:
        cursor = encode_cursor(Position(datetime.now(UTC), new_id()))

        for changed in (f"{cursor}=", f"{cursor}==", f"{cursor}A", f" {cursor}", f"{cursor}\n"):
            with pytest.raises(InvalidCursor):
                decode_cursor(changed)


class TestPageResponses:
    @pytest.mark.parametrize(
        ("total", "size", "count"), [(0, 20, 0), (1, 20, 1), (20, 20, 1), (21, 20, 2), (25, 10, 3)]
    )
    def test_number_of_pages_is_rounded_up(self, total: int, size: int, count: int) -> None:
        assert pages(total, size) == count

    def test_page_responses_have_the_documented_fields(self) -> None:
        assert Page[int].of([1, 2], total=25, page=3, size=10).model_dump() == {
            "items": [1, 2],
            "total": 25,
            "page": 3,
            "size": 10,
            "pages": 3,
        }
        assert CursorPage[int](items=[1], next_cursor=None).model_dump() == {"items": [1], "next_cursor": None}
