"""Sanitizing of user input in emails: no links, no addresses, one short line.

Recipients trust an email of this application and may not know the user who caused it. A user with the name
"verify at http://evil.example" must not be able to add such a text to it.
"""

import re
import unicodedata
from collections.abc import Mapping
from typing import Any

MAX_LENGTH = 60

_TRUSTED_NAME = re.compile(r"(^|_)(link|url|email)$")
"""Names of values that are links of this application or validated addresses."""
_SPACES = re.compile(r"\s+")
_DOTS = str.maketrans(dict.fromkeys("\u3002\u2024\u00b7\u2027\u30fb", "."))
_LINK = re.compile(
    r"""
    \S*:/\S*                                      # https://evil.example, or a part of a URL
    | \S*@\S*                                     # an email address, or a handle
    | \S*\b[\w-]+ (\.[\w-]+)* \.[^\W\d_][\w-]+\S*  # evil.example/path: email clients make it a link
    | \S*\d+(\.\d+){3}[:/]\S*                     # 192.0.2.1/path
    """,
    re.VERBOSE,
)


class TrustedText(str):
    """A template value that this application generated or verified. It is not sanitized."""

    __slots__ = ()


def sanitize_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """Sanitize all strings of a template's data, except trusted names (links and addresses) and `TrustedText`."""
    return {name: _sanitize(name, value) for name, value in data.items()}


def sanitize_text(text: str) -> str:
    """Return one line of at most 60 characters without links, addresses and invisible characters."""
    line = unicodedata.normalize("NFKC", text).translate(_DOTS)
    visible = "".join(character if _is_visible(character) else " " for character in line)
    words = _SPACES.sub(" ", _LINK.sub(" ", _SPACES.sub(" ", visible))).strip()
    return words if len(words) <= MAX_LENGTH else words[: MAX_LENGTH - 1].rstrip() + "…"


def _sanitize(name: str, value: Any) -> Any:
    if not isinstance(value, str) or isinstance(value, TrustedText) or _TRUSTED_NAME.search(name):
        return value
    return sanitize_text(value)


def _is_visible(character: str) -> bool:
    return unicodedata.category(character)[0] not in "CZ"
