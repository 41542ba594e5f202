"""Health check of encryption."""

from undercroft.core.health import Component
from undercroft.core.security.keyring import keyring

PROBE = b"readable again"


def crypto_component() -> Component:
    """Up while SECRET_KEY encrypts and decrypts; sign-in requires it."""
    ring = keyring("health")

    async def check() -> None:
        if ring.decrypt(ring.encrypt(PROBE, context="health"), context="health") != PROBE:
            raise RuntimeError("decryption did not return the original plaintext")

    return Component("crypto", check, required=True)
