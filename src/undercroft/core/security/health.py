"""Encryption as a component of the installation's health."""

from undercroft.core.health import Component
from undercroft.core.security.keyring import keyring

PROBE = b"readable again"


def crypto_component() -> Component:
    """Up while what SECRET_KEY seals can be opened again; nobody signs in without it."""
    ring = keyring("health")

    async def check() -> None:
        if ring.decrypt(ring.encrypt(PROBE, context="health"), context="health") != PROBE:
            raise RuntimeError("what was sealed came back changed")

    return Component("crypto", check, required=True)
