"""URLs, HTML, files and phone numbers from outside."""

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
        raise PydanticCustomError("url", "Use a whole URL that begins with https:// or http://.") from None
    if url.username is not None or url.password is not None:
        raise PydanticCustomError("url", "Use a URL without a name or password in it.")
    return str(url)


def _sanitize_html(value: str) -> str:
    import nh3

    if len(value) > HTML_LENGTH:
        raise PydanticCustomError("html", "This text is too long.")
    return nh3.clean(normalize_unicode(value))


def safe_filename(value: str) -> str:
    """A name under which a file can be kept on every system: the last part of a path, without what some forbid.

    Raises `PydanticCustomError` when nothing is left of it.
    """
    from pathvalidate import sanitize_filename

    last = normalize_line(value.replace("\\", "/").rpartition("/")[2])
    name = sanitize_filename(last, platform="universal", max_len=FILENAME_BYTES, fs_encoding="utf-8").strip(" .")
    if not name:
        raise PydanticCustomError("filename", "Give the file a name.")
    return name


def sniff_content_type(content: bytes) -> str:
    """The media type that the first bytes tell, whatever a name or a client says.

    `application/octet-stream` when they tell none, as with all text: HTML, SVG and scripts are never taken for images.
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
    return PydanticCustomError("phone", "Use a phone number with its country, such as +44 20 7946 0018.")


Url = Annotated[str, Normalized(_normalize_url, URL_LENGTH, 1, format="uri", example="https://example.com/")]
"""An http or https URL in its normal form, without credentials. It says nothing about where it leads."""

SafeHtml = Annotated[str, Normalized(_sanitize_html, HTML_LENGTH, example="<p>Hello</p>")]
"""HTML without scripts, styles, event handlers and links that run code."""

SafeFilename = Annotated[str, Normalized(safe_filename, FILENAME_BYTES, 1, example="report.pdf")]
"""A file name without a path that every system can keep."""

Phone = Annotated[str, Normalized(_normalize_phone, PHONE_LENGTH, 1, format="phone", example="+442079460018")]
"""A phone number that could exist, in E.164 form (+442079460018)."""
