"""CSV files for spreadsheets."""

import csv
from datetime import UTC, datetime
from io import StringIO

import pytest

from undercroft.core.spreadsheets import escape_cell, stream_csv


@pytest.mark.parametrize(
    "formula", ["=1+1", "+1", "-2+3", "@SUM(A1)", "\t=1", "\r=1", " =1", "|calc", "%0A=1", "\uff1d1"]
)
def test_formula_is_escaped(formula: str) -> None:
    assert escape_cell(formula) == f"'{formula}"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (-5, "-5"),
        (True, "True"),
        ("tea", "tea"),
        (datetime(2026, 1, 2, tzinfo=UTC), "2026-01-02T00:00:00+00:00"),
    ],
)
def test_other_values_are_unchanged(value: object, text: str) -> None:
    assert escape_cell(value) == text


async def test_csv_round_trips() -> None:
    rows = [["a,b", 'say "hi"'], ["line\nbreak", None]]
    text = "".join([line async for line in stream_csv(["x", "y"], rows)])
    assert list(csv.reader(StringIO(text))) == [["x", "y"], ["a,b", 'say "hi"'], ["line\nbreak", ""]]
