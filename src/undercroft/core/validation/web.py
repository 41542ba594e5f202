"""Validation of URLs, HTML, file names and phone numbers."""

from functools import cache
from typing import Annotated

from pydantic import AnyUrl, TypeAdapter, UrlConstraints, ValidationError
from pydantic_core import PydanticCustomError

from undercroft.core.validation.normalized import Normalized
from undercroft.core.validation.text import normalize_line, normalize_unicode

URL_LENGTH = 2048
HTML_LENGTH = 100_000
FILENAME_BYTES = 255
PHONE_LENGTH = 32
UNKNOWN_CONTENT_TYPE = "application/octet-stream"
SNIFF_BYTES = 8192


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

    Raises `PydanticCustomError` if nothing is left.
    """
    from pathvalidate import sanitize_filename

    last = normalize_line(value.replace("\\", "/").rpartition("/")[2])
    name = sanitize_filename(last, platform="universal", max_len=FILENAME_BYTES, fs_encoding="utf-8").strip(" .")
    if not name:
        raise PydanticCustomError("filename", "Enter a file name.")
    return name


def sniff_content_type(content: bytes) -> str:
    """The media type detected from the first bytes, regardless of the file name and the client's header.

    `application/octet-stream` if it is unknown, as for all text: HTML, SVG and scripts are never detected as images.
    """
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


Url = Annotated[str, Normalized(_normalize_url, URL_LENGTH, 1, format="uri", example="https://example.com/")]
"""A normalized http or https URL without credentials. The target is not checked."""

SafeHtml = Annotated[str, Normalized(_sanitize_html, HTML_LENGTH, example="<p>Hello</p>")]
"""HTML without scripts, styles, event handlers and links that run code."""

SafeFilename = Annotated[str, Normalized(safe_filename, FILENAME_BYTES, 1, example="report.pdf")]
"""A file name without a path that is valid on every system."""

Phone = Annotated[str, Normalized(_normalize_phone, PHONE_LENGTH, 1, format="phone", example="+442079460018")]
"""A phone number that could exist, in E.164 form (+442079460018)."""
