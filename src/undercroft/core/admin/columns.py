"""How columns are called, searched and filled in."""

from enum import Enum
from math import inf
from typing import Any

from sqlalchemy import ColumnElement, String, cast
from sqlalchemy.orm import Mapper

MAX_LINE_LENGTH = 255


def enum_field_args(values: type[Enum]) -> dict[str, Any]:
    """For `form_args`: a field that offers the values of an enum. Its column goes into `choices` of the view, too."""
    return {"choices": enum_choices(values)}


def enum_choices(values: type[Enum]) -> list[tuple[str, str]]:
    """The values of an enum, each with what people read, for a field or a filter."""
    return [(each.value, humanize(each.value)) for each in values]


def humanize(value: str) -> str:
    """`on_hold` as people read it: On hold."""
    return value.replace("_", " ").capitalize()


def get_label(name: str) -> str:
    """`full_name` as people read it: Full name; a reference without its `_id`."""
    return humanize(name.removesuffix("_id") if name != "id" else name)


def get_filter_title(column_filter: Any) -> str:
    """A filter's title as its column is labelled, unless it says another."""
    label, title = get_label(column_filter.parameter_name), str(column_filter.title)
    return label if title.capitalize() == label else title


def contains_term(column: Any, term: str) -> ColumnElement[bool]:
    """Whether a column holds the term, literally, in any case of letters."""
    return cast(column, String).icontains(term, autoescape=True)


def get_multiline_columns(mapper: Mapper[Any]) -> list[str]:
    """The columns that may hold several lines, which a field of one line would run together."""
    return [name for name, column in mapper.columns.items() if _length(column.type) > MAX_LINE_LENGTH]


def _length(kind: Any) -> float:
    """How many characters fit into a column of this type; none for what is no text."""
    kind = getattr(kind, "impl", kind)
    return 0 if not isinstance(kind, String) else inf if kind.length is None else kind.length
