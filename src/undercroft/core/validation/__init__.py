"""Annotated types for what comes in from outside: checked and brought into one form at the boundary.

Libraries that only some of them need are imported when the first value is checked.
"""

from undercroft.core.validation.address import Email, normalise_email, read_email
from undercroft.core.validation.place import Locale, TimeZone
from undercroft.core.validation.schema import Schema
from undercroft.core.validation.text import LongText, Name, Slug, lines, one_line, slug_from
from undercroft.core.validation.tidied import Tidied
from undercroft.core.validation.web import Phone, SafeFilename, SafeHtml, Url, safe_filename, sniff_content_type

__all__ = [
    "Email",
    "Locale",
    "LongText",
    "Name",
    "Phone",
    "SafeFilename",
    "SafeHtml",
    "Schema",
    "Slug",
    "Tidied",
    "TimeZone",
    "Url",
    "lines",
    "normalise_email",
    "one_line",
    "read_email",
    "safe_filename",
    "slug_from",
    "sniff_content_type",
]
