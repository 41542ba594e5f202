"""Types of request fields that accept only what the column can store, so that other values are errors of the field."""

from collections.abc import Callable
from datetime import UTC, datetime
from math import isfinite
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError
from sqlalchemy import BigInteger, Integer, SmallInteger
from sqlalchemy.types import TypeEngine


def storable(annotation: Any, kind: TypeEngine[Any]) -> Any:
    """The annotation of a column of this type, with a check of its values."""
    if get_origin(annotation) in (Union, UnionType):
        return Union[tuple(storable(each, kind) for each in get_args(annotation))]  # noqa: UP007 - of a tuple
    check: Callable[[Any], Any] | None = _CHECKS.get(annotation)
    if annotation is int and isinstance(kind, Integer):
        check = _in_range(kind)
    return Annotated[annotation, AfterValidator(check)] if check else annotation


def _in_utc(value: datetime) -> datetime:
    if value.tzinfo is None:
        raise PydanticCustomError("timezone_aware", "Add a time zone, such as Z or +02:00.")
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("datetime_range", "This time is out of range in UTC.") from None


def _without_nul(value: str) -> str:
    if "\x00" in value:
        raise PydanticCustomError("control_characters", "Use no NUL characters.")
    return value


def _finite(value: float) -> float:
    if not isfinite(value):
        raise PydanticCustomError("finite_number", "Use a finite number.")
    return value


def _in_range(kind: Integer) -> Callable[[int], int]:
    bits = 16 if isinstance(kind, SmallInteger) else 64 if isinstance(kind, BigInteger) else 32
    limit = 1 << (bits - 1)

    def check(value: int) -> int:
        if not -limit <= value < limit:
            raise PydanticCustomError("number_range", f"Use a number from {-limit} to {limit - 1}.")
        return value

    return check


_CHECKS: dict[Any, Callable[[Any], Any]] = {datetime: _in_utc, str: _without_nul, float: _finite}
