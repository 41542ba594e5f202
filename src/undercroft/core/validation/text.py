"""Text from people: trimmed, in one Unicode form (NFC), of bounded length, without what cannot be stored or seen."""

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, StringConstraints
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

NAME_LENGTH = 120
LINE_LENGTH = 255
TEXT_LENGTH = 10_000
SLUG_LENGTH = 63

BIDI_CONTROLS = "\u202a-\u202e\u2066-\u2069"
"""Characters that turn the direction of what follows, so that a name reads as another (CVE-2021-42574)."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_NOT_IN_A_LINE = re.compile(f"[{_CONTROLS}{BIDI_CONTROLS}]")
_NOT_IN_A_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_LINE_PATTERN = f"^[^{_CONTROLS}{BIDI_CONTROLS}]*$"
_TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
_SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"


def tidy_line(value: str) -> str:
    """One trimmed line in NFC. Raises `PydanticCustomError` for control characters and for nothing visible."""
    value = _normal(value)
    if _NOT_IN_A_LINE.search(value):
        raise PydanticCustomError("control_characters", "Use one line without control characters.")
    if value and not any(_is_visible(character) for character in value):
        raise PydanticCustomError("invisible", "Use at least one character that can be seen.")
    return value


def tidy_text(value: str) -> str:
    """Trimmed text in NFC with `\\n` at line ends. Raises `PydanticCustomError` for other control characters."""
    value = _normal(value.replace("\r\n", "\n").replace("\r", "\n"))
    if _NOT_IN_A_TEXT.search(value):
        raise PydanticCustomError("control_characters", "Use no control characters but line breaks and tabs.")
    return value


def make_slug(text: str, *, fallback: str = "untitled") -> str:
    """A slug for this text: `Über uns!` gives `uber-uns`. `fallback` when nothing is left of it."""
    from slugify import slugify

    return slugify(text, max_length=SLUG_LENGTH, word_boundary=True) or fallback


@dataclass(frozen=True)
class OneLine:
    """Makes `Annotated[str, OneLine(max_length=80)]` a line with these bounds, counted after trimming."""

    min_length: int = 1
    max_length: int = LINE_LENGTH

    def __get_pydantic_core_schema__(self, source: object, _: GetCoreSchemaHandler) -> CoreSchema:
        return _bounded(tidy_line, self.min_length, self.max_length)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": _LINE_PATTERN}


@dataclass(frozen=True)
class Lines:
    """Makes `Annotated[str, Lines(max_length=2000)]` a text of several lines with these bounds."""

    min_length: int = 0
    max_length: int = TEXT_LENGTH

    def __get_pydantic_core_schema__(self, source: object, _: GetCoreSchemaHandler) -> CoreSchema:
        return _bounded(tidy_text, self.min_length, self.max_length)

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {**handler(schema), "pattern": _TEXT_PATTERN}


def _bounded(tidy: Callable[[str], str], min_length: int, max_length: int) -> CoreSchema:
    bounds = core_schema.str_schema(min_length=min_length or None, max_length=max_length)
    return core_schema.no_info_before_validator_function(
        lambda value: tidy(value) if isinstance(value, str) else value, bounds
    )


def _normal(value: str) -> str:
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("unicode", "This text is not valid Unicode.") from None
    return unicodedata.normalize("NFC", value.strip())


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ" and character not in "\u115f\u1160\u3164\uffa0\u2800"


Name = Annotated[str, OneLine(max_length=NAME_LENGTH)]
"""What a person, a team or a thing is called."""

Line = Annotated[str, OneLine()]
LongText = Annotated[str, Lines()]

Slug = Annotated[str, StringConstraints(pattern=_SLUG_PATTERN, max_length=SLUG_LENGTH)]
"""The name of a thing in a URL: lower-case letters, digits and single hyphens; `make_slug` makes one."""
