"""Requests that bear tokens of the identity provider that keeps the accounts."""

import asyncio
import time

from sqlalchemy import String, bindparam
from sqlmodel import col

from undercroft.core.db import Database, Statement
from undercroft.core.errors import AppError, Conflict, Unauthorized
from undercroft.modules.auth import Bearer, InvalidToken, TokenExpired, principal_statement
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.people import People
from undercroft.providers.identity import BadToken, ExpiredToken, ExternalIssuer

REFUSED_SECONDS = 10
MOST_REFUSED = 10_000

_FOUND = (
    col(ExternalIdentity.issuer) == bindparam("issuer", type_=String),
    col(ExternalIdentity.subject) == bindparam("subject", type_=String),
)


class IssuedElsewhere:
    """The `ExternalAccounts` of this product. Somebody's first requests, however many at once, are one admission."""

    def __init__(self, database: Database, issuer: ExternalIssuer, provider: str, *, allows_cookies: bool) -> None:
        self.personal: Statement = principal_statement(*_FOUND, source=ExternalIdentity, named=False)
        self.named: Statement = principal_statement(*_FOUND, source=ExternalIdentity, named=True)
        self.allows_cookies = allows_cookies
        self._database = database
        self._issuer = issuer
        self._provider = provider
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._refused: dict[str, tuple[float, AppError]] = {}

    async def verify(self, token: str) -> Bearer:
        try:
            claims = await self._issuer.tokens.verify(token)
        except BadToken as error:
            raise TokenExpired if isinstance(error, ExpiredToken) else InvalidToken from None
        values = {"issuer": claims.iss, "subject": claims.sub}
        return Bearer(values, token, claims, claims.proven_at, claims.passed_mfa)

    def subject(self, token: str) -> str | None:
        claims = self._issuer.tokens.verify_known(token)
        return claims.sub if claims else None

    async def admit(self, bearer: Bearer) -> None:
        """Raises `AccountInactive`, `EmailUnverified`, `IdentityConflict`, `IdentityProviderUnavailable`.

        Who was refused is refused again without anybody being asked, for a few seconds.
        """
        subject = bearer.claims.sub
        until, error = self._refused.get(subject, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error.with_traceback(None)
        task = self._under_way.get(subject)
        if task is None:
            task = self._under_way[subject] = asyncio.create_task(self._admit(bearer))
            task.add_done_callback(lambda done: self._note(subject, done))
        await asyncio.shield(task)

    async def _admit(self, bearer: Bearer) -> None:
        profile = await self._issuer.profile(bearer.claims, bearer.token)
        async with self._database.session() as session:
            await People(session, self._provider).sign_in(profile)

    def _note(self, subject: str, done: "asyncio.Task[None]") -> None:
        self._under_way.pop(subject, None)
        self._refused.pop(subject, None)
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Conflict | Unauthorized):
            while len(self._refused) >= MOST_REFUSED:
                self._refused.pop(next(iter(self._refused)))
            self._refused[subject] = (time.monotonic() + REFUSED_SECONDS, error)
