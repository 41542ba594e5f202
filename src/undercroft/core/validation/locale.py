"""Locales and time zones."""

import re
from functools import cache
from typing import Annotated

from pydantic_core import PydanticCustomError

from undercroft.core.validation.normalized import Normalized

LOCALE_LENGTH = 35
TIMEZONE_LENGTH = 64

_LOCALE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$"


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zone database, from the tzdata package: the same on every machine."""
    from importlib.resources import files

    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _normalize_locale(value: str) -> str:
    if not re.fullmatch(_LOCALE_PATTERN, value):
        raise PydanticCustomError("locale", "Use a language tag such as en, en-GB or zh-Hant-TW.")
    language, *rest = value.split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def _validate_time_zone(value: str) -> str:
    if value not in time_zones():
        raise PydanticCustomError("timezone", "Use an IANA time zone, such as Europe/Berlin or UTC.")
    return value


Locale = Annotated[str, Normalized(_normalize_locale, LOCALE_LENGTH, 2, pattern=_LOCALE_PATTERN, example="en-GB")]
"""A BCP 47 language tag with optional script and region: `en`, `pt-BR`, `zh-Hant-TW`."""

TimeZone = Annotated[str, Normalized(_validate_time_zone, TIMEZONE_LENGTH, 1, example="Europe/Berlin")]
"""The name of an IANA time zone, valid for `zoneinfo.ZoneInfo`."""
