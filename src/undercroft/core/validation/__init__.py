"""Annotated types for what comes in from outside: checked and brought into one form at the boundary.

Libraries that only some of them need are imported when the first value is checked.
"""

from undercroft.core.validation.address import Email, normalise_email
from undercroft.core.validation.place import Locale, TimeZone
from undercroft.core.validation.text import Line, Lines, LongText, Name, OneLine, Slug, make_slug
from undercroft.core.validation.web import Phone, SafeFilename, SafeHtml, Url, safe_filename, sniff_content_type

__all__ = [
    "Email",
    "Line",
    "Lines",
    "Locale",
    "LongText",
    "Name",
    "OneLine",
    "Phone",
    "SafeFilename",
    "SafeHtml",
    "Slug",
    "TimeZone",
    "Url",
    "make_slug",
    "normalise_email",
    "safe_filename",
    "sniff_content_type",
]
