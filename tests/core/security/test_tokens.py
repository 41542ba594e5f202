"""Opaque tokens."""

from hashlib import sha256

from undercroft.core.security.tokens import constant_time_compare, hash_token, new_token, sign


def test_tokens_have_256_bits_and_are_unique() -> None:
    tokens = {new_token() for _ in range(1000)}
    assert len(tokens) == 1000
    assert {len(token) for token in tokens} == {43}


def test_hash_token_is_sha_256_of_any_text() -> None:
    assert hash_token("token") == sha256(b"token").digest()
    assert len(hash_token("\ud800 ☃ \0")) == 32


def test_signature_depends_on_the_boundaries_of_the_parts() -> None:
    key = b"k" * 32
    assert sign(key, "ab", "c") != sign(key, "a", "bc")
    assert sign(key, "a") != sign(b"x" * 32, "a")
    assert sign(key, "☃") == sign(key, "☃")


def test_constant_time_compare_accepts_text_and_bytes() -> None:
    assert constant_time_compare("a", b"a")
    assert not constant_time_compare("a", "ab")
    assert not constant_time_compare("☃", "\ud800")
