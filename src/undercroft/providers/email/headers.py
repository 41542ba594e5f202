"""Header lines that are safe against header injection.

`email.message` is not used for them: it decodes encoded words in values and, before Python 3.11.10, writes newlines
in them unescaped, which lets a user inject headers (CVE-2024-6923).
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


def require_one_line(value: str, label: str) -> None:
    """Raise `InvalidMessage` if the value has control characters: a newline would start another header."""
    if _FORBIDDEN.search(value):
        raise InvalidMessage(f"{label} must be one line without control characters.")
    require_encodable(value, label)


def require_encodable(value: str, label: str) -> None:
    """Raise `InvalidMessage` for lone surrogates, which cannot be encoded in UTF-8."""
    try:
        value.encode()
    except UnicodeEncodeError:
        raise InvalidMessage(f"{label} has characters that are not valid Unicode.") from None


def require_header(name: str, value: str) -> None:
    """Raise `InvalidMessage` unless this is allowed as an extra header."""
    if not _NAME.fullmatch(name):
        raise InvalidMessage(f"{name!r} is not a header name. Use letters, digits and hyphens.")
    if name.lower() in _RESERVED_HEADERS | _GENERATED_HEADERS or name.lower().startswith(("content-", "resent-")):
        raise InvalidMessage(f"The header {name} cannot be set in `headers`. Use the field of EmailMessage.")
    require_one_line(value, f"The header {name}")


def encoded_words(value: str, *, header: str = "") -> str:
    """Encode the value as folded RFC 2047 encoded words."""
    return Header(value, "utf-8", maxlinelen=LINE_LENGTH, header_name=header).encode(linesep=_CRLF)


def text_line(name: str, value: str) -> str:
    """Format a folded header of unstructured text (RFC 5322, section 2.2.1)."""
    if value.isascii() and "=?" not in value and max(map(len, value.split(" "))) < LINE_LENGTH - len(name) - 2:
        return f"{name}: {Header(value, 'us-ascii', maxlinelen=LINE_LENGTH, header_name=name).encode(linesep=_CRLF)}"
    return f"{name}: {encoded_words(value, header=name)}"
