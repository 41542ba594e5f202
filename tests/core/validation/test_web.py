import gzip
import struct
import subprocess
import sys
import zlib

import pytest
from pydantic import TypeAdapter, ValidationError

from undercroft.core.validation import Phone, SafeFilename, SafeHtml, Url, sniff_content_type

url = TypeAdapter(Url)
html = TypeAdapter(SafeHtml)
filename = TypeAdapter(SafeFilename)
phone = TypeAdapter(Phone)


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("https://example.com/a?b=c#d", "https://example.com/a?b=c#d"),
        (" HTTPS://Example.COM ", "https://example.com/"),
        ("https://bücher.example/ü", "https://xn--bcher-kva.example/%C3%BC"),
        ("http://127.0.0.1:8000/x", "http://127.0.0.1:8000/x"),
        ("http://[::1]/", "http://[::1]/"),
    ],
)
def test_url_is_normalized(raw: str, normalized: str) -> None:
    assert url.validate_python(raw) == normalized


@pytest.mark.parametrize(
    "value",
    [
        "",
        "example.com",
        "//example.com",
        "javascript:alert(1)",
        "data:text/html,x",
        "ftp://example.com",
        "file:///etc/passwd",
        "https://",
        "https://user:secret@example.com",
        "https://user@example.com",
        "https://example.com:99999",
        "https://exa mple.com",
        "https://example.com/\r\nSet-Cookie: a=b",
        "https://example.com/\x00",
        "https://example.com/" + "x" * 2048,
        "https://example.com/" + "ü" * 1000,
        "https://example.com/\ud800",
        None,
        1,
    ],
)
def test_invalid_url_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        url.validate_python(value)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "<a href='javascript:alert(1)'>x</a>",
        "<a href='jAvAsCrIpT&#58;alert(1)'>x</a>",
        "<svg><script>alert(1)</script></svg>",
        "<iframe src='https://evil.example'></iframe>",
        "<style>body{background:url(javascript:alert(1))}</style>",
        "<math><mi//xlink:href='data:x,<script>alert(1)</script>'>",
        "<b><script",
        "<<script>alert(1)//<</script>",
    ],
)
def test_html_is_sanitized(hostile: str) -> None:
    clean = html.validate_python(hostile).lower()
    assert "<script" not in clean
    assert "<iframe" not in clean
    assert "<style" not in clean
    assert "javascript:" not in clean
    assert "onerror" not in clean


def test_html_that_grows_by_sanitizing_is_limited_in_length() -> None:
    with pytest.raises(ValidationError):
        html.validate_python("&" * 50_000)


def test_harmless_html_is_unchanged() -> None:
    assert html.validate_python("<p>Hello <b>Ada</b></p>") == "<p>Hello <b>Ada</b></p>"


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("report.pdf", "report.pdf"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\ada\\report.pdf", "report.pdf"),
        ("résumé 2026.pdf", "résumé 2026.pdf"),
        ("a<b>:c?.txt", "abc.txt"),
        (".bashrc", "bashrc"),
        ("report.pdf. ", "report.pdf"),
    ],
)
def test_file_name_is_sanitized(raw: str, normalized: str) -> None:
    assert filename.validate_python(raw) == normalized


def test_reserved_file_name_is_changed() -> None:
    assert filename.validate_python("CON.txt").upper() != "CON.TXT"


@pytest.mark.parametrize(
    "value", ["", " ", ".", "..", "/", "a/", "???", "a\x00b", "a\nb.txt", "gpj\u202eexe.txt", None, 3]
)
def test_empty_or_deceptive_file_name_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        filename.validate_python(value)


def test_long_file_name_is_shortened() -> None:
    assert len(filename.validate_python("ü" * 200 + ".txt").encode()) <= 255


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("+442079460018", "+442079460018"),
        ("+44 (0)20 7946 0018", "+442079460018"),
        ("+1 650-253-0000", "+16502530000"),
        ("+62 812-3456-7890", "+6281234567890"),
    ],
)
def test_phone_number_is_normalized_to_e164(raw: str, normalized: str) -> None:
    assert phone.validate_python(raw) == normalized


@pytest.mark.parametrize(
    "value",
    ["", "020 7946 0018", "+", "+0", "+1", "+999123456789", "+44 20 7946 0018 ext. 5", "call me", "+1" * 20, None, 1],
)
def test_invalid_phone_number_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        phone.validate_python(value)


def _png() -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0\0")) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("content", "reported"),
    [
        (_png(), "image/png"),
        (b"%PDF-1.7\n...", "application/pdf"),
        (gzip.compress(b"x", mtime=0), "application/gzip"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>", "application/octet-stream"),
        (b"<!doctype html><script>1</script>", "application/octet-stream"),
        (b"plain text", "application/octet-stream"),
        (b"", "application/octet-stream"),
        (b"\x00" * 10, "application/octet-stream"),
    ],
)
def test_content_type_is_detected_from_the_first_bytes(content: bytes, reported: str) -> None:
    assert sniff_content_type(content) == reported


def test_heavy_libraries_are_imported_on_first_use() -> None:
    program = (
        "import sys, undercroft.core.validation;"
        "print([name for name in ('phonenumbers', 'nh3', 'pathvalidate', 'slugify', 'filetype', 'tzdata')"
        " if name in sys.modules])"
    )
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert printed.stdout.strip() == "[]"


def test_schemas_declare_format_and_length() -> None:
    assert url.json_schema()["format"] == "uri"
    assert phone.json_schema()["format"] == "phone"
    assert html.json_schema()["maxLength"] == 100_000
