import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, TypeAdapter, ValidationError

from undercroft.core.validation import Email, normalize_email, parse_email

email = TypeAdapter(Email)


@pytest.mark.parametrize(
    ("given_as", "kept_as"),
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
def test_one_person_has_one_spelling(given_as: str, kept_as: str) -> None:
    assert email.validate_python(given_as) == kept_as


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
def test_what_is_no_address_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        email.validate_python(value)


@given(st.text(max_size=12).map(lambda local: f"{local}@example.com"))
def test_the_kept_spelling_stays_the_same_when_it_is_checked_again(value: str) -> None:
    try:
        kept = normalize_email(value)
    except ValueError:
        return
    assert normalize_email(kept) == kept
    assert normalize_email(kept.upper()) in (kept, normalize_email(kept.upper().lower()))


def test_the_schema_says_what_it_is() -> None:
    class Body(BaseModel):
        email: Email

    field = Body.model_json_schema()["properties"]["email"]
    assert (field["type"], field["format"], field["maxLength"]) == ("string", "email", 254)


def test_an_address_without_a_schema_is_read_like_a_field():
    assert parse_email("  Ada@Example.COM ") == "ada@example.com"
    with pytest.raises(ValidationError, match="This is not a mail address"):
        parse_email("ada@")
