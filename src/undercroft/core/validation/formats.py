"""Validation of URLs, HTML, file names, phone numbers, locales and time zones."""

import re
from functools import cache
from typing import Annotated

from pydantic import AnyUrl, TypeAdapter, UrlConstraints, ValidationError
from pydantic_core import PydanticCustomError

from undercroft.core.validation.schema import Normalized, require_validation
from undercroft.core.validation.text import normalize_line, normalize_unicode

URL_LENGTH = 2048
HTML_LENGTH = 100_000
FILENAME_BYTES = 255
PHONE_LENGTH = 32
UNKNOWN_CONTENT_TYPE = "application/octet-stream"
SNIFF_BYTES = 8192
LOCALE_LENGTH = 35
TIMEZONE_LENGTH = 64
_LOCALE_PATTERN = r"^[A-Za-z]{2,3}(-[A-Za-z]{4})?(-([A-Za-z]{2}|[0-9]{3}))?$"


@cache
def _url_adapter() -> TypeAdapter[AnyUrl]:
    return TypeAdapter(Annotated[AnyUrl, UrlConstraints(allowed_schemes=["http", "https"], host_required=True)])


def _normalize_url(value: str) -> str:
    try:
        url = _url_adapter().validate_python(normalize_line(value))
    except ValidationError:
        raise PydanticCustomError("url", "Use a full URL that begins with https:// or http://.") from None
    if url.username is not None or url.password is not None:
        raise PydanticCustomError("url", "Use a URL without a user name or password.")
    return str(url)


def _sanitize_html(value: str) -> str:
    import nh3

    if len(value) > HTML_LENGTH:
        raise PydanticCustomError("html", "This text is too long.")
    return nh3.clean(normalize_unicode(value))


def safe_filename(value: str) -> str:
    """A file name that is valid on every system: the last part of the path, without characters that some systems
    forbid.

    Needs the extra `validation`. Raises `PydanticCustomError` if nothing is left.
    """
    require_validation("pathvalidate")
    from pathvalidate import sanitize_filename

    last = normalize_line(value.replace("\\", "/").rpartition("/")[2])
    name = sanitize_filename(last, platform="universal", max_len=FILENAME_BYTES, fs_encoding="utf-8").strip(" .")
    if not name:
        raise PydanticCustomError("filename", "Enter a file name.")
    return name


def sniff_content_type(content: bytes) -> str:
    """The media type detected from the first bytes, regardless of the file name and the client's header.

    `application/octet-stream` if it is unknown, as for all text: HTML, SVG and scripts are never detected as images.
    Needs the extra `validation`.
    """
    require_validation("filetype")
    import filetype

    kind = filetype.guess(bytearray(content[:SNIFF_BYTES]))
    return str(kind.mime) if kind else UNKNOWN_CONTENT_TYPE


def _normalize_phone(value: str) -> str:
    import phonenumbers

    try:
        number = phonenumbers.parse(normalize_line(value), None)
    except phonenumbers.NumberParseException:
        raise _invalid_phone() from None
    if not phonenumbers.is_valid_number(number) or number.extension:
        raise _invalid_phone()
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def _invalid_phone() -> PydanticCustomError:
    return PydanticCustomError("phone", "Use a phone number with country code, such as +44 20 7946 0018.")


@cache
def time_zones() -> frozenset[str]:
    """The names of the IANA time zone database, from the tzdata package: the same on every machine."""
    from importlib.resources import files

    return frozenset(files("tzdata").joinpath("zones").read_text(encoding="utf-8").split())


def _normalize_locale(value: str) -> str:
    if not re.fullmatch(_LOCALE_PATTERN, value):
        raise PydanticCustomError("locale", "Use a language tag such as en, en-GB or zh-Hant-TW.")
    language, *rest = value.split("-")
    return "-".join([language.lower(), *(part.title() if len(part) == 4 else part.upper() for part in rest)])


def _validate_time_zone(value: str) -> str:
    if value not in time_zones():
        raise PydanticCustomError("timezone", "Use an IANA time zone, such as Europe/Berlin or UTC.")
    return value


Url = Annotated[str, Normalized(_normalize_url, URL_LENGTH, 1, format="uri", example="https://example.com/")]
"""A normalized http or https URL without credentials. The target is not checked."""

SafeHtml = Annotated[str, Normalized(_sanitize_html, HTML_LENGTH, example="<p>Hello</p>", package="nh3")]
"""HTML without scripts, styles, event handlers and links that run code. Needs the extra `validation`."""

SafeFilename = Annotated[
    str, Normalized(safe_filename, FILENAME_BYTES, 1, example="report.pdf", package="pathvalidate")
]
"""A file name without a path that is valid on every system. Needs the extra `validation`."""

Phone = Annotated[
    str, Normalized(_normalize_phone, PHONE_LENGTH, 1, format="phone", example="+442079460018", package="phonenumbers")
]
"""A phone number that could exist, in E.164 form (+442079460018). Needs the extra `validation`."""

Locale = Annotated[str, Normalized(_normalize_locale, LOCALE_LENGTH, 2, pattern=_LOCALE_PATTERN, example="en-GB")]
"""A BCP 47 language tag with optional script and region: `en`, `pt-BR`, `zh-Hant-TW`."""

TimeZone = Annotated[str, Normalized(_validate_time_zone, TIMEZONE_LENGTH, 1, example="Europe/Berlin")]
"""The name of an IANA time zone, valid for `zoneinfo.ZoneInfo`."""
