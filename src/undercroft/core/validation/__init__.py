"""Annotated types that validate and normalize input at the boundary.

Libraries that only some types need are imported when the first value is validated.
"""

from undercroft.core.validation.email import Email, normalize_email, parse_email
from undercroft.core.validation.locale import Locale, TimeZone
from undercroft.core.validation.normalized import Normalized
from undercroft.core.validation.schema import Schema
from undercroft.core.validation.text import LongText, Name, Slug, make_slug, multiline, single_line
from undercroft.core.validation.web import Phone, SafeFilename, SafeHtml, Url, safe_filename, sniff_content_type

__all__ = [
    "Email",
    "Locale",
    "LongText",
    "Name",
    "Normalized",
    "Phone",
    "SafeFilename",
    "SafeHtml",
    "Schema",
    "Slug",
    "TimeZone",
    "Url",
    "make_slug",
    "multiline",
    "normalize_email",
    "parse_email",
    "safe_filename",
    "single_line",
    "sniff_content_type",
]
