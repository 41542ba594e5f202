from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from undercroft.core.db.repository import Paging, Position, RowPage
from undercroft.core.http.pagination import (
    InvalidCursor,
    ListQuery,
    Page,
    decode_cursor,
    encode_cursor,
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

        assert query.paging == Paging(page=1, size=20, keyset=False, after=None, q=None, sort=None)

    def test_empty_search_is_none(self) -> None:
        assert Query(q="   ").q is None
        assert Query(q=" two words ").q == "two words"

    def test_limit_requests_items_without_a_total(self) -> None:
        assert Query(limit=5, page=3, size=7).paging == Paging(page=3, size=5, keyset=True)

    @pytest.mark.parametrize("cursor", ["", "abc"])
    def test_cursor_is_checked_whenever_it_is_given(self, cursor: str) -> None:
        with pytest.raises(InvalidCursor):
            _ = Query(cursor=cursor).paging


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
        assert Query(cursor=cursor).paging == Paging(keyset=True, after=position)
        assert Query(cursor=cursor, size=7).paging == Paging(size=20, keyset=True, after=position)

    @pytest.mark.parametrize("cursor", ["AQ" + "A" * 30, "Af" + "_" * 30, "AX0-_zZ9" + "q" * 24])
    def test_every_cursor_that_matches_the_pattern_decodes(self, cursor: str) -> None:
        assert encode_cursor(decode_cursor(cursor)) == cursor

    def test_no_position_has_no_cursor(self) -> None:
        assert encode_cursor(None) is None

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
        assert Page[int].of(RowPage([], Paging(size=size), total), int).pages == count

    def test_page_has_a_total_and_no_cursor(self) -> None:
        page = Page[int].of(RowPage(["1", "2"], Paging(page=3, size=10), 25), int)

        fields = {"items": [1, 2], "total": 25, "page": 3, "size": 10, "pages": 3, "next_cursor": None}
        assert page.model_dump() == fields

    def test_items_after_a_cursor_have_the_next_cursor_and_no_total(self) -> None:
        position = Position(datetime(2026, 1, 1, tzinfo=UTC), new_id())
        page = Page[int].of(RowPage([1], Paging(size=1, keyset=True), next=position), int)

        cursor = encode_cursor(position)
        fields = {"items": [1], "total": None, "page": None, "size": 1, "pages": None, "next_cursor": cursor}
        assert page.model_dump() == fields
