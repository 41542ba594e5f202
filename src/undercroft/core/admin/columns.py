"""Columns: labels, search conditions and form fields, and those that `/admin` never shows."""

from enum import Enum
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, LargeBinary, String, cast
from sqlalchemy.orm import Mapper

from undercroft.core.model_classes import SECRET_NAME

MAX_LINE_LENGTH = 255


def enum_field_args(values: type[Enum]) -> dict[str, Any]:
    """For `form_args`: a select field with the values of an enum. Add its column to the view's `choices` too."""
    return {"choices": enum_choices(values)}


def enum_choices(values: type[Enum]) -> list[tuple[str, str]]:
    """The values and labels of an enum, for a field or a filter."""
    return [(each.value, humanize(each.value)) for each in values]


def humanize(value: str) -> str:
    """Turn `on_hold` into `On hold`."""
    return value.replace("_", " ").capitalize()


def get_label(name: str) -> str:
    """Turn `full_name` into `Full name`; the suffix `_id` of a reference is dropped."""
    return humanize(name.removesuffix("_id") if name != "id" else name)


def get_filter_title(column_filter: Any) -> str:
    """The title of a filter: the label of its column unless the filter sets another one."""
    label, title = get_label(column_filter.parameter_name), str(column_filter.title)
    return label if title.capitalize() == label else title


def contains_term(column: Any, term: str) -> ColumnElement[bool]:
    """A condition: the column contains the term, literally and case-insensitively."""
    return cast(column, String).icontains(term, autoescape=True)


def get_multiline_columns(mapper: Mapper[Any]) -> list[str]:
    """The columns that may contain several lines, which a single-line field would join."""
    return [name for name, column in mapper.columns.items() if _length(column.type) > MAX_LINE_LENGTH]


def _length(kind: Any) -> float:
    """The maximum number of characters of a column type; 0 for types that are not text."""
    kind = getattr(kind, "impl", kind)
    return 0 if not isinstance(kind, String) else inf if kind.length is None else kind.length


def get_secret_attributes(mapper: Mapper[Any]) -> frozenset[str]:
    """The attributes that are never shown, whatever a view declares: those named like secrets, and binary columns."""
    names = {name for name in mapper.attrs.keys() if SECRET_NAME.search(name.lower())}  # noqa: SIM118 - no mapping
    return frozenset(names | {name for name, column in mapper.columns.items() if isinstance(column.type, LargeBinary)})
