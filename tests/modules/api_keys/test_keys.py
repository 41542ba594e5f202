"""Format of API keys."""

import pytest

from undercroft.core.telemetry.redaction import clean_text
from undercroft.modules.api_keys.service.key_format import ALPHABET, generate_key, generate_prefix, parse_key


def test_key_is_parsed_into_prefix_and_hash() -> None:
    prefix = generate_prefix()
    key = generate_key(prefix)
    read = parse_key(key)
    assert read is not None
    assert (read.prefix, len(read.hash), key[:15]) == (prefix, 32, f"uc_{prefix}")
    assert key.isascii()
    assert key.replace("_", "").isalnum()
    assert key not in repr(read)


def test_generated_keys_differ_with_the_same_prefix() -> None:
    assert len({generate_key("a" * 12) for _ in range(1000)}) == 1000


def test_checksum_detects_a_typo_of_any_character() -> None:
    key = generate_key(generate_prefix())
    for place in range(3, len(key)):
        letter = ALPHABET[(ALPHABET.index(key[place]) + 1) % len(ALPHABET)]
        assert parse_key(key[:place] + letter + key[place + 1 :]) is None


KEY = generate_key(generate_prefix())
INVALID_KEYS = [
    "", "uc_", "uc_" + "a" * 50, "UC_" + KEY[3:], KEY + "\n", KEY + "x", KEY[:-1],
    "uc_" + "é" * 50, "uc_" + "\0" * 50, "uc_" + "٣" * 50, "uc_" + "x" * 10_000,
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(INVALID_KEYS)))
def test_malformed_key_is_not_parsed(number: int) -> None:
    assert parse_key(INVALID_KEYS[number]) is None


@pytest.mark.parametrize("around", ["{}", "key={}&x=1", "x%3D{}", "a{}b", "_{}", "/v1/{}/x", '"{}"', "Bearer {}"])
def test_key_is_redacted_anywhere_in_a_text(around: str) -> None:
    key = generate_key(generate_prefix())
    cleaned = clean_text(around.format(key))
    assert key[3:] not in cleaned
    assert key[20:40] not in cleaned
