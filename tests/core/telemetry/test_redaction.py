from typing import Any

import pytest

from undercroft.core.telemetry.redaction import HIDDEN, clean, clean_text, redact


@pytest.mark.parametrize(
    "name",
    ["password", "new_password", "Password", "passwd", "secret_key", "token", "refresh_token", "Authorization",
     "cookie", "Set-Cookie", "api_key", "x-api-key", "private_key", "csrf_token", "otp", "credentials"],
)  # fmt: skip
def test_field_named_like_a_secret_is_hidden(name: str) -> None:
    assert redact(None, "info", {name: "hunter2"}) == {name: HIDDEN}
    assert clean({"deep": [{name: ["hunter2"]}]}) == {"deep": [{name: HIDDEN}]}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("key uc_live_1234567890abcdef!", "key [redacted]!"),
        ("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl", "[redacted]"),
        ("Authorization: Bearer abc.def-123", "Authorization: Bearer [redacted]"),
        ("basic dXNlcjpwYXNz", "basic [redacted]"),
        ("postgresql://app:pa%40ss@db:5432/x", "postgresql://[redacted]@db:5432/x"),
        ("redis://:pass@cache/0", "redis://[redacted]@cache/0"),
        ("GET /verify-email?token=abc&x=1", "GET /verify-email?token=[redacted]&x=1"),
        ("/a?x=1&access_token=abc", "/a?x=1&access_token=[redacted]"),
        ("mail to joe.smith+shop@mail.example.com failed", "mail to j***@mail.example.com failed"),
        (
            "[SQL: insert into users]\n[parameters: ('joe', 'hunter2')]\n",
            "[SQL: insert into users]\n[parameters: [redacted]]\n",
        ),
        ("[type=x, input_value='hunter2', input_type=str]", "[type=x, input_value=[redacted], input_type=str]"),
    ],
)
def test_secrets_inside_a_text_are_redacted(text: str, expected: str) -> None:
    assert clean_text(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "project created",
        "/api/v1/app/projects/0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10",
        "a = b",
        "5 @ 3",
        "x@y",
        "http://host:8000/a",
    ],
)
def test_ordinary_text_is_unchanged(text: str) -> None:
    assert clean_text(text) == text


@pytest.mark.parametrize("value", [None, True, 5, 1.5])
def test_numbers_are_not_redacted(value: Any) -> None:
    assert redact(None, "info", {"tokens": value}) == {"tokens": value}


def test_deep_values_and_bytes_are_shortened() -> None:
    deep: Any = "bottom"
    for _ in range(5000):
        deep = {"a": deep}

    assert "bottom" not in str(clean(deep))
    assert clean({"body": b"hunter2"}) == {"body": "[7 bytes]"}


@pytest.mark.parametrize(
    "piece",
    ["a@", "a.a@", "://", "://a:", "eyJ", "a.", "eyJaaaaa.", "=", "?token=", "[parameters: ", "input_value=", "Bearer ",
     "uc_", "bearer \t", "a@a.a."],
)  # fmt: skip
def test_clean_text_is_fast_for_hostile_input(piece: str) -> None:
    clean_text(piece * (200_000 // len(piece)))
