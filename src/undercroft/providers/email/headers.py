"""Header lines that cannot be broken out of.

They are written here and not by `email.message`, which decodes encoded words in a value that it is given and, before
Python 3.11.10, writes a newline found in them as it is: a header of the sender's choice (CVE-2024-6923).
"""

import re
from email.header import Header

from undercroft.providers.email.errors import InvalidMessage

LINE_LENGTH = 76
_CRLF = "\r\n"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,75}")
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_RESERVED_HEADERS = frozenset(
    {"from", "sender", "reply-to", "to", "cc", "bcc", "subject", "date", "message-id", "mime-version"}
)
_GENERATED_HEADERS = frozenset({"delivered-to", "return-path", "list-unsubscribe", "list-unsubscribe-post"})


def require_one_line(value: str, what: str) -> None:
    """Raises `InvalidMessage` when the value has control characters: a newline would begin a header of its own."""
    if _FORBIDDEN.search(value):
        raise InvalidMessage(f"{what} must be one line without control characters.")
    require_encodable(value, what)


def require_encodable(value: str, what: str) -> None:
    """Raises `InvalidMessage` for lone surrogates, which no mail can carry."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidMessage(f"{what} has characters that are not valid Unicode.") from None


def require_header(name: str, value: str) -> None:
    """Raises `InvalidMessage` unless this may be added as an extra header."""
    if not _NAME.fullmatch(name):
        raise InvalidMessage(f"{name!r} is not a header name: use letters, digits and hyphens.")
    if name.lower() in _RESERVED_HEADERS | _GENERATED_HEADERS or name.lower().startswith(("content-", "resent-")):
        raise InvalidMessage(f"The header {name} has a field of its own in Message.")
    require_one_line(value, f"The header {name}")


def encoded_words(value: str, *, header: str = "") -> str:
    """The value as RFC 2047 encoded words, folded."""
    return Header(value, "utf-8", maxlinelen=LINE_LENGTH, header_name=header).encode(linesep=_CRLF)


def text_line(name: str, value: str) -> str:
    """A header of free text (RFC 5322, 2.2.1), folded."""
    if value.isascii() and "=?" not in value and max(map(len, value.split(" "))) < LINE_LENGTH - len(name) - 2:
        return f"{name}: {Header(value, 'us-ascii', maxlinelen=LINE_LENGTH, header_name=name).encode(linesep=_CRLF)}"
    return f"{name}: {encoded_words(value, header=name)}"
