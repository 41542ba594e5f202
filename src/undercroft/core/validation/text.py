"""Text from users: trimmed, normalized to NFC, limited in length, without control characters."""

import re
import unicodedata
from typing import Annotated

from pydantic_core import PydanticCustomError

from undercroft.core.validation.schema import Normalized

NAME_LENGTH = 200
TEXT_LENGTH = 10_000
SLUG_LENGTH = 63

BIDI_CONTROLS = r"\u202a-\u202e\u2066-\u2069"
"""Characters that change the text direction, so that a name reads as another (CVE-2021-42574)."""

_CONTROLS = r"\x00-\x1f\x7f-\x9f\u2028\u2029"
_FORBIDDEN_IN_LINE = re.compile(f"[{_CONTROLS}{BIDI_CONTROLS}]")
_FORBIDDEN_IN_TEXT = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_INVISIBLE = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp", "Zs"})
_BLANK = "\u115f\u1160\u3164\uffa0\u2800"
"""Characters that are letters or signs by category but render as blank."""

_LINE_PATTERN = f"^[^{_CONTROLS}{BIDI_CONTROLS}]*$"
_TEXT_PATTERN = r"^[^\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]*$"
_SLUG_PATTERN = r"^[a-z0-9]+(-[a-z0-9]+)*$"


def normalize_line(value: str) -> str:
    """One trimmed line in NFC. Raises `PydanticCustomError` for control characters and if no character is visible."""
    value = normalize_unicode(value)
    if _FORBIDDEN_IN_LINE.search(value):
        raise PydanticCustomError("control_characters", "Use one line without control characters.")
    if value and not any(_is_visible(character) for character in value):
        raise PydanticCustomError("invisible", "Use at least one visible character.")
    return value


def normalize_text(value: str) -> str:
    """Trimmed text in NFC with `\\n` line endings. Raises `PydanticCustomError` for other control characters."""
    value = normalize_unicode(value.replace("\r\n", "\n").replace("\r", "\n"))
    if _FORBIDDEN_IN_TEXT.search(value):
        raise PydanticCustomError("control_characters", "Use no control characters except line breaks and tabs.")
    return value


def make_slug(text: str, *, max_length: int = SLUG_LENGTH) -> str:
    """A slug for this text: `Über uns!` becomes `uber-uns`. May be empty."""
    from slugify import slugify

    return slugify(text, max_length=max_length, word_boundary=True)


def validate_slug(value: str) -> str:
    """The value if it is a valid slug. Raises `PydanticCustomError` otherwise."""
    if not re.fullmatch(_SLUG_PATTERN, value):
        raise PydanticCustomError("slug", "Use lowercase letters, digits and single hyphens between them.")
    return value


def single_line(max_length: int, *, min_length: int = 1) -> Normalized:
    """For `Annotated[str, single_line(80)]`: one line with these length limits, counted after trimming."""
    return Normalized(normalize_line, max_length, min_length, pattern=_LINE_PATTERN)


def multiline(max_length: int, *, min_length: int = 0) -> Normalized:
    """For `Annotated[str, multiline(2000)]`: text with line breaks and these length limits, counted after trimming."""
    return Normalized(normalize_text, max_length, min_length, pattern=_TEXT_PATTERN)


def normalize_unicode(value: str) -> str:
    """Trimmed text in NFC. Raises `PydanticCustomError` for lone surrogates, which cannot be stored."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise PydanticCustomError("unicode", "This text is not valid Unicode.") from None
    return unicodedata.normalize("NFC", value.strip())


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) not in _INVISIBLE and character not in _BLANK


Name = Annotated[str, single_line(NAME_LENGTH)]
"""The name of a user, a team or an object."""

LongText = Annotated[str, multiline(TEXT_LENGTH)]

Slug = Annotated[str, Normalized(validate_slug, SLUG_LENGTH, 1, pattern=_SLUG_PATTERN, example="my-project")]
"""The name of an object in a URL: lowercase letters, digits and single hyphens; see `make_slug`."""
