import re
from typing import Annotated

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from sqlmodel import Field, SQLModel

from undercroft.core.validation import LongText, Name, Slug, make_slug, multiline, single_line

name = TypeAdapter(Name)
long_text = TypeAdapter(LongText)
slug = TypeAdapter(Slug)


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("Ada", "Ada"),
        ("  Ada Lovelace\t", "Ada Lovelace"),
        ("Zoe\u0308", "Zoë"),
        ("山田 太郎", "山田 太郎"),
        ("محمد", "محمد"),
        ("👩\u200d💻 Ada", "👩\u200d💻 Ada"),
        ("<script>alert(1)</script>", "<script>alert(1)</script>"),
        ("Robert'); DROP TABLE users;--", "Robert'); DROP TABLE users;--"),
        ("x" * 200, "x" * 200),
        (" " * 500 + "x" + " " * 500, "x"),
    ],
)
def test_name_is_trimmed_and_normalized(raw: str, normalized: str) -> None:
    assert name.validate_python(raw) == normalized


@pytest.mark.parametrize(
    "value",
    [
        "",
        "   ",
        "x" * 201,
        "Ada\x00",
        "Ada\nLovelace",
        "Ada\r\nBcc: eve@example.com",
        "Ada\x1b[31m",
        "Ada\x7f",
        "Ada\x85Lovelace",
        "Ada\u2028Lovelace",
        "\u202egpj.exe",
        "Ada\u2066",
        "\u200b",
        "\u200b \ufeff",
        "\u3164",
        "Ada\ud800",
        None,
        7,
        ["Ada"],
    ],
)
def test_name_that_cannot_be_stored_or_seen_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        name.validate_python(value)


@pytest.mark.parametrize(
    ("raw", "normalized"),
    [
        ("", ""),
        ("one\r\ntwo\rthree\n", "one\ntwo\nthree"),
        ("a\tb", "a\tb"),
        ("x" * 10_000, "x" * 10_000),
    ],
)
def test_long_text_preserves_its_lines(raw: str, normalized: str) -> None:
    assert long_text.validate_python(raw) == normalized


@pytest.mark.parametrize("value", ["x" * 10_001, "a\x00b", "a\x1bb", "a\x0cb", "a\ud800", None, 1])
def test_long_text_that_cannot_be_stored_is_refused(value: object) -> None:
    with pytest.raises(ValidationError):
        long_text.validate_python(value)


def test_length_limits_are_configurable() -> None:
    short = TypeAdapter(Annotated[str, single_line(3, min_length=2)])
    assert short.validate_python(" ab ") == "ab"
    with pytest.raises(ValidationError):
        short.validate_python(" a ")
    assert TypeAdapter(Annotated[str, multiline(3)]).validate_python("a\nb") == "a\nb"


@pytest.mark.parametrize("value", ["a", "a-b", "2024-report", "x" * 63])
def test_valid_slug_is_accepted(value: str) -> None:
    assert slug.validate_python(value) == value


@pytest.mark.parametrize(
    "value", ["", "-", "a-", "-a", "a--b", "A", "a b", "ä", "a/b", "../a", "a\n", "a\x00", "x" * 64]
)
def test_invalid_slug_is_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        slug.validate_python(value)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("Über uns!", "uber-uns"),
        ("  Hello,   World ", "hello-world"),
        ("北京", "bei-jing"),
        ("../../etc/passwd", "etc-passwd"),
        ("x" * 500, "x" * 63),
        ("🎉", ""),
        ("", ""),
    ],
)
def test_make_slug_accepts_any_text(text: str, result: str) -> None:
    assert make_slug(text) == result


@given(st.text(), st.integers(1, 63))
def test_make_slug_returns_a_valid_slug_or_an_empty_text(text: str, max_length: int) -> None:
    result = make_slug(text, max_length=max_length)
    assert len(result) <= max_length
    assert result == "" or slug.validate_python(result) == result


def test_field_max_length_narrows_the_limit_of_the_type() -> None:
    class Thing(SQLModel):
        name: Name = Field(max_length=5)
        slug: Slug | None = Field(default=None, max_length=5)
        about: LongText = Field(default="", max_length=5)

    assert Thing.model_validate({"name": " abcde ", "about": " abcde\r\n"}).about == "abcde"
    for wrong in ({"name": "abcdef"}, {"name": "a", "slug": "abcdef"}, {"name": "a", "about": "abcdef"}):
        with pytest.raises(ValidationError):
            Thing.model_validate(wrong)
    assert Thing.model_json_schema()["properties"]["name"]["maxLength"] == 5


def test_schema_declares_lengths_and_pattern() -> None:
    schema = name.json_schema()
    assert (schema["minLength"], schema["maxLength"]) == (1, 200)
    assert re.search(schema["pattern"], "Ada Lovelace")
    assert not re.search(schema["pattern"], "Ada\x00")
    assert "minLength" not in long_text.json_schema()
