"""Encryption at rest with `SECRET_KEY`, keys derived from it for one purpose each, and their health check."""

import os
from collections.abc import Sequence

from undercroft.core.errors import ConfigurationError
from undercroft.core.health import Component
from undercroft.core.settings import CoreSettings, load

KEY_BYTES = 32
NONCE_BYTES = 12
KEY_ID_BYTES = 4
PROBE = b"readable again"


class DecryptionError(Exception):
    """The ciphertext was encrypted with another secret or for another context, or was changed."""


class Keyring:
    """AES-256-GCM (NIST SP 800-38D) with keys derived by HKDF-SHA-256 (RFC 5869) from the secrets, newest first.

    A ciphertext is `key id (4) | nonce (12) | sealed`, where the key id identifies the secret. Previous secrets only
    decrypt and verify; the newest one encrypts and signs.
    """

    def __init__(self, secrets: Sequence[str], *, purpose: str) -> None:
        """Raises `ConfigurationError` if there is no secret."""
        usable = [secret for secret in secrets if secret]
        if not usable:
            raise ConfigurationError(
                "SECRET_KEY is not set. Set it in the environment or .env; `undercroft keys secret` generates it."
            )
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        self.keys = [_hkdf(secret.encode(), KEY_BYTES, f"undercroft {purpose}") for secret in usable]
        self._ciphers = {_key_id(key): AESGCM(key) for key in reversed(self.keys)}
        self._newest = _key_id(self.keys[0])

    def __repr__(self) -> str:
        return f"<Keyring of {len(self.keys)}>"

    def encrypt(self, plaintext: bytes, *, context: str) -> bytes:
        """Encrypt for one context (such as a row's key). Decrypting with another context fails."""
        nonce = os.urandom(NONCE_BYTES)
        return self._newest + nonce + self._ciphers[self._newest].encrypt(nonce, plaintext, context.encode())

    def decrypt(self, sealed: bytes, *, context: str) -> bytes:
        """Decrypt a ciphertext of `encrypt` for this context. Raises `DecryptionError`."""
        from cryptography.exceptions import InvalidTag

        key_id, nonce, rest = (
            sealed[:KEY_ID_BYTES],
            sealed[KEY_ID_BYTES:][:NONCE_BYTES],
            sealed[KEY_ID_BYTES + NONCE_BYTES :],
        )
        cipher = self._ciphers.get(key_id)
        if cipher is None:
            raise DecryptionError("The ciphertext was encrypted with an unknown secret.")
        try:
            return cipher.decrypt(nonce, rest, context.encode())
        except (InvalidTag, ValueError):
            raise DecryptionError("The ciphertext was changed or encrypted for another context.") from None

    def is_current(self, sealed: bytes) -> bool:
        """Whether the newest secret encrypted it; if not, it should be encrypted again."""
        return sealed[:KEY_ID_BYTES] == self._newest


def keyring(purpose: str) -> Keyring:
    """The keyring of `SECRET_KEY` and `SECRET_KEYS` for one purpose. Raises `ConfigurationError` if none is set."""
    settings = load(CoreSettings)
    secrets = [settings.secret_key, *settings.secret_keys]
    return Keyring([secret.get_secret_value() for secret in secrets], purpose=purpose)


def crypto_component() -> Component:
    """Up while SECRET_KEY encrypts and decrypts; sign-in requires it."""
    ring = keyring("health")

    async def check() -> None:
        if ring.decrypt(ring.encrypt(PROBE, context="health"), context="health") != PROBE:
            raise RuntimeError("decryption did not return the original plaintext")

    return Component("crypto", check, required=True)


def _key_id(key: bytes) -> bytes:
    return _hkdf(key, KEY_ID_BYTES, "mark")


def _hkdf(secret: bytes, length: int, info: str) -> bytes:
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return HKDF(SHA256(), length, salt=None, info=info.encode()).derive(secret)
