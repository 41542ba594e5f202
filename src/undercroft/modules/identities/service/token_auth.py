"""Authentication of requests with tokens of the identity provider that manages the accounts."""

import asyncio
import time
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import ColumnElement

from undercroft.core.audit import SYSTEM, Actor, ActorKind, Entry, record, use_actor
from undercroft.core.auth import Principal
from undercroft.core.db import Database, utc_now
from undercroft.core.errors import AppError
from undercroft.core.lru_cache import LruCache
from undercroft.core.security.tokens import hash_token
from undercroft.modules.identities.errors import EmailLinkedToOtherIdentity
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.repository import (
    IDENTITY_CONDITIONS,
    SingleUseRepository,
    is_known_user,
    session_mark,
)
from undercroft.modules.identities.service.linker import RETENTION, IdentityLinker
from undercroft.modules.sessions import InvalidToken, TokenExpired, VerifiedToken, principal_statements
from undercroft.providers.identity import BadToken, ExpiredToken, ExternalIssuer, Profile

REJECTION_CACHE_SECONDS = 10
MAX_CACHED_SUBJECTS = 10_000


class ExternalTokenAuth:
    """Implements `ExternalAccounts`. Concurrent first requests of a user share one provisioning."""

    def __init__(self, database: Database, issuer: ExternalIssuer, provider: str, *, allows_cookies: bool) -> None:
        self.issuer = issuer.issuer
        self.statements = principal_statements(*IDENTITY_CONDITIONS, source=ExternalIdentity)
        self.allows_cookies = allows_cookies
        self._database = database
        self._issuer = issuer
        self._provider = provider
        self._in_progress: dict[str, asyncio.Task[bool]] = {}
        self._rejections: LruCache[str, tuple[float, AppError]] = LruCache(MAX_CACHED_SUBJECTS)
        self._observed: LruCache[str, bool] = LruCache(MAX_CACHED_SUBJECTS)
        self._sync_tasks: set[asyncio.Task[None]] = set()

    def user_conditions(self, user_id: Any) -> tuple[ColumnElement[bool], ...]:
        return (is_known_user(user_id, self.issuer),)

    async def verify(self, token: str) -> VerifiedToken:
        try:
            claims = await self._issuer.token_verifier.verify(token)
        except BadToken as error:
            raise TokenExpired if isinstance(error, ExpiredToken) else InvalidToken from None
        mark = session_mark(claims.iss, claims.session) if claims.session else b""
        values = {"issuer": claims.iss, "subject": claims.sub, "session_mark": mark}
        impersonator = uuid5(NAMESPACE_URL, " ".join(claims.actor)) if claims.actor else None
        return VerifiedToken(values, token, claims, claims.authenticated_at, claims.passed_mfa, impersonator)

    def subject(self, token: str) -> str | None:
        claims = self._issuer.token_verifier.verify_offline(token)
        return claims.sub if claims else None

    async def provision_user(self, bearer: VerifiedToken) -> None:
        """Create or link the account of a token's user.

        A rejection is cached for a few seconds, without a request to the issuer. Raises `AccountInactive`,
        `EmailUnverified`, `IdentityConflict`, `IdentityProviderUnavailable` and what hooks of `SignUp` raise.
        """
        subject = bearer.claims.sub
        until, error = self._rejections.get(subject, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error.with_traceback(None)
        is_provisioned = False
        while not is_provisioned:  # no await before the task is looked up: one that ends meanwhile would be repeated
            task = self._in_progress.get(subject)
            is_own = task is None
            if task is None:
                task = self._in_progress[subject] = asyncio.create_task(self._provision(bearer))
                task.add_done_callback(lambda done: self._finish_provisioning(subject, done))
            is_provisioned = await asyncio.shield(task) or is_own

    async def sync_claims(self, bearer: VerifiedToken, principal: Principal) -> None:
        claims, email = bearer.claims, principal.subject["email"]
        if claims.email is not None and claims.email != email and self._is_first_seen(f"{claims.sub} {claims.iat}"):
            task = asyncio.create_task(self._refetch_profile(bearer))
            self._sync_tasks.add(task)
            task.add_done_callback(self._sync_tasks.discard)
        if bearer.impersonator_id is not None and self._is_first_seen(f"{claims.act} {claims.sub} {claims.session}"):
            await self._record_impersonation(bearer, bearer.impersonator_id, principal.user_id)

    async def close(self) -> None:
        await asyncio.gather(*self._sync_tasks, return_exceptions=True)

    async def _provision(self, bearer: VerifiedToken) -> bool:
        """Provision the user. Returns False if the issuer has ended the token's session."""
        async with self._database.read_session() as read_session:
            if await SingleUseRepository(read_session).count_by(mark=bearer.values["session_mark"]):
                return False
        profile = await self._issuer.profile(bearer.claims, bearer.token)
        try:
            await self._sign_in(profile)
        except EmailLinkedToOtherIdentity as error:
            owner = await self._issuer.lookup(error.subject)
            if owner is None or owner.email == profile.email:
                raise
            await self._sync(owner)
            await self._sign_in(profile)
        return True

    async def _sign_in(self, profile: Profile) -> None:
        async with self._database.session() as session:
            await IdentityLinker(session, self._provider).sign_in(profile)

    async def _sync(self, profile: Profile) -> None:
        async with self._database.session() as session:
            with use_actor(SYSTEM):
                await IdentityLinker(session, self._provider).sync(profile)

    async def _refetch_profile(self, bearer: VerifiedToken) -> None:
        """Update the account after the token's address changed and no webhook reported it."""
        with suppress(AppError):
            await self._sync(await self._issuer.profile(bearer.claims, bearer.token))

    async def _record_impersonation(self, bearer: VerifiedToken, impersonator_id: UUID, user_id: UUID) -> None:
        """Record who acts as the user, once per session: later audit entries contain only the actor's ID."""
        issuer, subject = bearer.claims.actor
        details = {"actor_issuer": issuer, "actor": subject, "session": bearer.claims.session}
        mark = hash_token(f"acting {issuer} {subject} {bearer.claims.sub} {bearer.claims.session}")
        actor = Actor(ActorKind.USER, user_id=user_id, impersonator_id=impersonator_id)
        async with self._database.session() as session:
            if await SingleUseRepository(session).use(mark, until=utc_now() + RETENTION):
                with use_actor(actor):
                    await record(session, Entry("impersonation.started", None, "user", user_id, details=details))

    def _is_first_seen(self, key: str) -> bool:
        """Return whether this process has not cached this key yet."""
        if key in self._observed:
            return False
        self._observed[key] = True
        return True

    def _finish_provisioning(self, subject: str, done: "asyncio.Task[bool]") -> None:
        self._in_progress.pop(subject, None)
        self._rejections.pop(subject, None)
        error = None if done.cancelled() else done.exception()
        if isinstance(error, AppError) and error.status < 500:
            self._rejections[subject] = (time.monotonic() + REJECTION_CACHE_SECONDS, error)
