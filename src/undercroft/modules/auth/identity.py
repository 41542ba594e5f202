"""What signing in needs, put together once per application and found on its state."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from msgspec import Struct

from undercroft.core.db import Database
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load
from undercroft.modules.api_keys import LastUsed
from undercroft.modules.auth.access_tokens import AccessTokens
from undercroft.modules.auth.authenticator import TokenAuthenticator
from undercroft.modules.auth.last_seen import LastSeen
from undercroft.modules.auth.refresh import RefreshTokens
from undercroft.modules.auth.sign_in import SignIn
from undercroft.modules.auth.signing import RELOAD_SECONDS, SigningKeys
from undercroft.modules.auth.throttle import Throttle
from undercroft.providers.captcha import Captcha

FLUSH_SECONDS = 15

log = structlog.get_logger("undercroft.application")


class Identity(Struct, frozen=True):
    database: Database
    keys: SigningKeys
    tokens: AccessTokens
    last_seen: LastSeen
    last_used: LastUsed
    authenticator: TokenAuthenticator
    throttle: Throttle
    sign_in: SignIn
    refresh_tokens: RefreshTokens
    captcha: Captcha

    @classmethod
    def over(cls, database: Database) -> "Identity":
        """All of it on one database. Raises `ConfigurationError` without a SECRET_KEY."""
        keys = SigningKeys(database)
        tokens, last_seen, last_used = AccessTokens(keys), LastSeen(), LastUsed()
        throttle = Throttle(database, scale=load(HttpSettings).scale)
        return cls(
            database=database,
            keys=keys,
            tokens=tokens,
            last_seen=last_seen,
            last_used=last_used,
            authenticator=TokenAuthenticator(database, tokens, last_seen, last_used),
            throttle=throttle,
            sign_in=SignIn(database, throttle),
            refresh_tokens=RefreshTokens(database),
            captcha=Captcha(),
        )

    async def keep(self) -> None:
        """Until cancelled: write what was seen, and read the signing keys again."""
        rounds = 0
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            rounds += 1
            await self._try(self.last_seen.flush(self.database))
            await self._try(self.last_used.flush(self.database))
            if rounds % (RELOAD_SECONDS // FLUSH_SECONDS) == 0:
                await self._try(self.keys.load())

    @staticmethod
    async def _try(work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as error:
            log.warning("identity.upkeep_failed", cause=f"{type(error).__name__}: {error}")


async def identity(request: Request) -> Identity:
    return cast(Identity, request.app.state.identity)


IdentityDep = Annotated[Identity, Depends(identity)]
