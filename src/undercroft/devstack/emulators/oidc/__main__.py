"""Serves the issuer on a local port until terminated. `undercroft dev --with oidc` starts this module."""

import asyncio
import contextlib
import signal
import sys

from undercroft.devstack.emulators.oidc.issuer import OidcIssuer

DEMO_USERS = (
    {"subject": "demo", "email": "demo@example.com", "name": "Demo"},
    {"subject": "ada", "email": "ada@example.com", "name": "Ada Lovelace"},
    {"subject": "unverified", "email": "unverified@example.com", "name": "Unverified", "email_verified": False},
)


async def serve(port: int) -> None:
    issuer = OidcIssuer()
    for user in DEMO_USERS:
        issuer.add_user(**user)
    await issuer.start(port)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        with contextlib.suppress(NotImplementedError):
            asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await ended.wait()
    await issuer.stop()


if __name__ == "__main__":
    asyncio.run(serve(int(sys.argv[1])))
