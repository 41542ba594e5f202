"""The form of a key."""

import pytest

from undercroft.core.telemetry.redaction import clean_text
from undercroft.modules.api_keys.keys import ALPHABET, generate_key, generate_prefix, parse_key


def test_a_key_is_found_by_what_it_begins_with_and_kept_by_its_hash() -> None:
    prefix = generate_prefix()
    key = generate_key(prefix)
    read = parse_key(key)
    assert read is not None
    assert (read.prefix, len(read.hash), key[:15]) == (prefix, 32, f"uc_{prefix}")
    assert key.isascii()
    assert key.replace("_", "").isalnum()
    assert key not in repr(read)


def test_no_two_keys_are_the_same_even_with_one_prefix() -> None:
    assert len({generate_key("a" * 12) for _ in range(1000)}) == 1000


def test_every_slip_of_one_letter_is_told_by_the_checksum() -> None:
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
def test_what_is_no_key_is_known_without_asking_anybody(number: int) -> None:
    assert parse_key(INVALID_KEYS[number]) is None


@pytest.mark.parametrize("around", ["{}", "key={}&x=1", "x%3D{}", "a{}b", "_{}", "/v1/{}/x", '"{}"', "Bearer {}"])
def test_a_key_is_taken_out_of_a_text_wherever_it_stands(around: str) -> None:
    key = generate_key(generate_prefix())
    cleaned = clean_text(around.format(key))
    assert key[3:] not in cleaned
    assert key[20:40] not in cleaned
