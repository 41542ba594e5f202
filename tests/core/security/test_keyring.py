"""Encryption with SECRET_KEY."""

import pytest

from undercroft.core.errors import ConfigurationError
from undercroft.core.security.keyring import DecryptionError, Keyring

OLD, NEW = "an old secret, long enough to be one", "a new secret, long enough to be one"


def test_ciphertext_decrypts_only_in_its_context() -> None:
    ring = Keyring([NEW], purpose="tests")
    sealed = ring.encrypt(b"otters", context="row 1")
    assert b"otters" not in sealed
    assert ring.decrypt(sealed, context="row 1") == b"otters"
    with pytest.raises(DecryptionError):
        ring.decrypt(sealed, context="row 2")


def test_ciphertexts_of_the_same_text_differ() -> None:
    ring = Keyring([NEW], purpose="tests")
    assert len({ring.encrypt(b"otters", context="") for _ in range(100)}) == 100


def test_any_changed_byte_fails_to_decrypt() -> None:
    ring = Keyring([NEW], purpose="tests")
    sealed = ring.encrypt(b"otters", context="")
    for index in range(len(sealed)):
        changed = sealed[:index] + bytes([sealed[index] ^ 1]) + sealed[index + 1 :]
        with pytest.raises(DecryptionError):
            ring.decrypt(changed, context="")


@pytest.mark.parametrize("length", range(0, 20, 4))
def test_truncated_ciphertext_fails_to_decrypt(length: int) -> None:
    ring = Keyring([NEW], purpose="tests")
    with pytest.raises(DecryptionError):
        ring.decrypt(ring.encrypt(b"", context="")[:length], context="")


def test_previous_secret_decrypts_but_does_not_encrypt() -> None:
    before, after = Keyring([OLD], purpose="tests"), Keyring([NEW, OLD], purpose="tests")
    sealed = before.encrypt(b"otters", context="")
    assert after.decrypt(sealed, context="") == b"otters"
    assert not after.is_current(sealed)
    assert after.is_current(after.encrypt(b"otters", context=""))
    with pytest.raises(DecryptionError):
        before.decrypt(after.encrypt(b"otters", context=""), context="")


def test_ciphertext_of_another_purpose_fails_to_decrypt() -> None:
    sealed = Keyring([NEW], purpose="one").encrypt(b"otters", context="")
    with pytest.raises(DecryptionError):
        Keyring([NEW], purpose="two").decrypt(sealed, context="")


def test_keyring_without_a_secret_raises_with_the_command_to_run() -> None:
    with pytest.raises(ConfigurationError, match="undercroft keys secret"):
        Keyring(["", ""], purpose="tests")


def test_repr_hides_the_keys() -> None:
    ring = Keyring([NEW], purpose="tests")
    assert NEW not in repr(ring)
    assert repr(ring.keys[0]) not in repr(ring)
