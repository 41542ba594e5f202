"""The auth services, created once for each application and stored in its state."""

import asyncio
from collections.abc import Awaitable
from typing import Annotated, cast

import structlog
from fastapi import Depends, Request
from msgspec import Struct

from undercroft.core.db import Database
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load
from undercroft.modules.api_keys import ApiKeyLastUsed
from undercroft.modules.auth.access_tokens import AccessTokens
from undercroft.modules.auth.authenticator import TokenAuthenticator
from undercroft.modules.auth.last_seen import LastSeen
from undercroft.modules.auth.refresh import RefreshTokens
from undercroft.modules.auth.sign_in import SignIn
from undercroft.modules.auth.signing_keys import RELOAD_SECONDS, SigningKeys
from undercroft.modules.auth.throttle import Throttle
from undercroft.providers.captcha import Captcha

FLUSH_SECONDS = 15

log = structlog.get_logger("undercroft.application")


class AuthServices(Struct, frozen=True):
    database: Database
    keys: SigningKeys
    tokens: AccessTokens
    last_seen: LastSeen
    last_used: ApiKeyLastUsed
    authenticator: TokenAuthenticator
    throttle: Throttle
    sign_in: SignIn
    refresh_tokens: RefreshTokens
    captcha: Captcha

    @classmethod
    def create(cls, database: Database) -> "AuthServices":
        """Create all services for a database. Raises `ConfigurationError` without a SECRET_KEY."""
        keys = SigningKeys(database)
        tokens, last_seen, last_used = AccessTokens(keys), LastSeen(), ApiKeyLastUsed()
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

    async def run_maintenance(self) -> None:
        """Flush last-used times and reload the signing keys periodically, until canceled."""
        rounds = 0
        while True:
            await asyncio.sleep(FLUSH_SECONDS)
            rounds += 1
            await self._run_safely(self.last_seen.flush(self.database))
            await self._run_safely(self.last_used.flush(self.database))
            if rounds % (RELOAD_SECONDS // FLUSH_SECONDS) == 0:
                await self._run_safely(self.keys.load())

    @staticmethod
    async def _run_safely(work: Awaitable[object]) -> None:
        try:
            await work
        except Exception as error:
            log.warning("auth.maintenance_failed", cause=f"{type(error).__name__}: {error}")


async def get_auth_services(request: Request) -> AuthServices:
    return cast(AuthServices, request.app.state.auth_services)


AuthServicesDep = Annotated[AuthServices, Depends(get_auth_services)]
