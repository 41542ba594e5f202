import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from undercroft.core.validation import Email, normalize_email, parse_email

email = TypeAdapter(Email)


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("ada@example.com", "ada@example.com"),
        ("  Ada@Example.COM \n", "ada@example.com"),
        ("ADA.Lovelace+news@example.com", "ada.lovelace+news@example.com"),
        ("ada@BÜCHER.example", "ada@bücher.example"),
        ("ada@xn--bcher-kva.example", "ada@bücher.example"),
        ("ÜSER@example.com", "üser@example.com"),
        ("u\u0308ser@example.com", "üser@example.com"),
        ("用户@例え.jp", "用户@例え.jp"),
        ("o'brien@example.co.uk", "o'brien@example.co.uk"),
        ("ada@shop.test", "ada@shop.test"),
        ("ada@office.local", "ada@office.local"),
        ("a" * 64 + "@example.com", "a" * 64 + "@example.com"),
    ],
)
def test_email_is_normalized(raw: str, normalized: str) -> None:
    assert email.validate_python(raw) == normalized


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example",
        "ada@@example.com",
        "ada@exa mple.com",
        "a da@example.com",
        "ada@example..com",
        ".ada@example.com",
        "ada.@example.com",
        "ada@-example.com",
        "ada@[127.0.0.1]",
        '"ada lovelace"@example.com',
        "Ada <ada@example.com>",
        "ada@example.com,eve@example.com",
        "ada@example.com\r\nBcc: eve@example.com",
        "ada\r\n@example.com",
        "ada\x00@example.com",
        "ada@example.com\x00",
        "ada\u202e@example.com",
        "ada\ud800@example.com",
        "a" * 65 + "@example.com",
        "ada@" + "a" * 64 + ".com",
        "ada@" + "a." * 130 + "com",
        "a" * 100_000,
        "@" * 1000,
        42,
        None,
        ["ada@example.com"],
        b"ada@example.com\xff",
    ],
)
def test_invalid_email_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        email.validate_python(value)


@given(st.text(max_size=12).map(lambda local: f"{local}@example.com"))
def test_normalization_is_idempotent(value: str) -> None:
    try:
        normalized = normalize_email(value)
    except ValueError:
        return
    assert normalize_email(normalized) == normalized
    assert normalize_email(normalized.upper()) in (normalized, normalize_email(normalized.upper().lower()))


def test_schema_declares_format_and_length() -> None:
    class Body(BaseModel):
        email: Email

    field = Body.model_json_schema()["properties"]["email"]
    assert (field["type"], field["format"], field["maxLength"]) == ("string", "email", 254)


def test_parse_email_validates_like_a_field():
    assert parse_email("  Ada@Example.COM ") == "ada@example.com"
    with pytest.raises(ValidationError, match="Enter a valid email address"):
        parse_email("ada@")
