"""What users typed, made harmless for an email: no link, no address, one short line.

An email carries this product's name and reputation to people who may never have heard of who caused it. A user called
"verify at http://evil.example" must not write a sentence of it.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_LENGTH = 60

_TRUSTED_NAME = re.compile(r"(^|_)(link|url|email)$")
"""Names of values that are links of this product, or validated addresses."""
_SPACES = re.compile(r"\s+")
_DOTS = str.maketrans(dict.fromkeys("\u3002\u2024\u00b7\u2027\u30fb", "."))
_LINK = re.compile(
    r"""
    \S*:/\S*                                      # https://evil.example, and what is left of one
    | \S*@\S*                                     # an email address, or a handle
    | \S*\b[\w-]+ (\.[\w-]+)* \.[^\W\d_][\w-]+\S*  # evil.example/path: mail programs make it a link
    | \S*\d+(\.\d+){3}[:/]\S*                     # 192.0.2.1/path
    """,
    re.VERBOSE,
)


class TrustedText(str):
    """A value of a template that this product made or verified, to be written as it is."""

    __slots__ = ()


def sanitize_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a template, every text among them harmless but links, addresses and what is `TrustedText`."""
    return {name: _sanitize(name, value) for name, value in data.items()}


def sanitize_text(text: str) -> str:
    """One line of at most 60 characters without links, addresses, and characters that cannot be seen."""
    line = unicodedata.normalize("NFKC", text).translate(_DOTS)
    seen = "".join(character if _is_printed(character) else " " for character in line)
    words = _SPACES.sub(" ", _LINK.sub(" ", _SPACES.sub(" ", seen))).strip()
    return words if len(words) <= MAX_LENGTH else words[: MAX_LENGTH - 1].rstrip() + "…"


def _sanitize(name: str, value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, TrustedText) or _TRUSTED_NAME.search(name):
        return value
    return sanitize_text(value)


def _is_printed(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ"
