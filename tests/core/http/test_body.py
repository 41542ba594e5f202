"""Strict JSON: what is refused, and why."""

import json

import pytest

from undercroft.core.http.body import decode


@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")], ids=["lists", "objects"])
def test_nesting_is_limited(opening: bytes, closing: bytes) -> None:
    inner = b"[]" if opening == b"[" else b"{}"
    assert decode(opening * 99 + inner + closing * 99)
    with pytest.raises(json.JSONDecodeError, match="it is nested too deeply"):
        decode(opening * 100 + inner + closing * 100)


def test_number_of_lists_beside_each_other_is_not_limited() -> None:
    assert decode(b"[" + b",".join([b'[{"a": "[[[["}]'] * 200) + b"]") == [[{"a": "[[[["}]] * 200


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"a": ', "it ends too early"),
        (b'{"a": "\\ud800"}', "it ends too early, or contains half of a surrogate pair"),
        (b'{"a": "\\ud800\\u0041"}', "surrogate"),
        (b'{"a": "\xff"}', "it is not encoded in UTF-8"),
        (b'{"secret" 1}', "expected"),
        (b"[" * 100_000, "it is nested too deeply"),
    ],
    ids=["truncated", "lone surrogate", "wrong pair", "encoding", "syntax", "depth"],
)
def test_invalid_json_is_explained_without_quoting_it(body: bytes, reason: str) -> None:
    with pytest.raises(json.JSONDecodeError, match=reason) as refused:
        decode(body)
    assert "secret" not in str(refused.value)
    assert refused.value.doc == ""
