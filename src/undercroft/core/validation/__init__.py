"""Annotated types that validate and normalize input at the boundary.

Libraries that only some types need are imported when the first value is validated.
"""

from undercroft.core.validation.email import Email, normalize_email, parse_email
from undercroft.core.validation.formats import (
    Locale,
    Phone,
    SafeFilename,
    SafeHtml,
    TimeZone,
    Url,
    safe_filename,
    sniff_content_type,
)
from undercroft.core.validation.schema import NOT_GIVEN, Normalized, Schema, UpdateSchema
from undercroft.core.validation.text import LongText, Name, Slug, make_slug, multiline, single_line

__all__ = [
    "NOT_GIVEN",
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
    "UpdateSchema",
    "Url",
    "make_slug",
    "multiline",
    "normalize_email",
    "parse_email",
    "safe_filename",
    "single_line",
    "sniff_content_type",
]
