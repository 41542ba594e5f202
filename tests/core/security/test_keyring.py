"""Encryption under SECRET_KEY."""

import pytest

from undercroft.core.errors import ConfigurationError
from undercroft.core.security.keyring import DecryptionError, Keyring

OLD, NEW = "an old secret, long enough to be one", "a new secret, long enough to be one"


def test_what_was_sealed_is_opened_in_its_context_only() -> None:
    ring = Keyring([NEW], purpose="tests")
    sealed = ring.encrypt(b"otters", context="row 1")
    assert b"otters" not in sealed
    assert ring.decrypt(sealed, context="row 1") == b"otters"
    with pytest.raises(DecryptionError):
        ring.decrypt(sealed, context="row 2")


def test_the_same_text_is_never_sealed_the_same() -> None:
    ring = Keyring([NEW], purpose="tests")
    assert len({ring.encrypt(b"otters", context="") for _ in range(100)}) == 100


def test_every_changed_byte_is_noticed() -> None:
    ring = Keyring([NEW], purpose="tests")
    sealed = ring.encrypt(b"otters", context="")
    for index in range(len(sealed)):
        changed = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(DecryptionError):
            ring.decrypt(changed, context="")


@pytest.mark.parametrize("length", range(0, 20, 4))
def test_what_is_too_short_is_unreadable(length: int) -> None:
    ring = Keyring([NEW], purpose="tests")
    with pytest.raises(DecryptionError):
        ring.decrypt(ring.encrypt(b"", context="")[:length], context="")


def test_an_earlier_secret_still_opens_and_no_longer_seals() -> None:
    before, after = Keyring([OLD], purpose="tests"), Keyring([NEW, OLD], purpose="tests")
    sealed = before.encrypt(b"otters", context="")
    assert after.decrypt(sealed, context="") == b"otters"
    assert not after.is_current(sealed)
    assert after.is_current(after.encrypt(b"otters", context=""))
    with pytest.raises(DecryptionError):
        before.decrypt(after.encrypt(b"otters", context=""), context="")


def test_keys_of_different_purposes_know_nothing_of_each_other() -> None:
    sealed = Keyring([NEW], purpose="one").encrypt(b"otters", context="")
    with pytest.raises(DecryptionError):
        Keyring([NEW], purpose="two").decrypt(sealed, context="")


def test_without_a_secret_there_is_none_and_the_message_says_what_to_type() -> None:
    with pytest.raises(ConfigurationError, match="undercroft keys secret"):
        Keyring(["", ""], purpose="tests")


def test_a_keyring_shows_no_key() -> None:
    ring = Keyring([NEW], purpose="tests")
    assert NEW not in repr(ring)
    assert repr(ring.keys[0]) not in repr(ring)
