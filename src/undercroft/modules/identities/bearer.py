"""Requests that bear tokens of the identity provider that has the accounts."""

import asyncio
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

from sqlalchemy import ColumnElement, LargeBinary, String, bindparam, exists, func, or_
from sqlmodel import col

from undercroft.core.audit import SYSTEM, Actor, ActorKind, Entry, acting_as, record
from undercroft.core.auth import Principal
from undercroft.core.db import Database, utc_now
from undercroft.core.errors import AppError, Conflict, Unauthorized
from undercroft.core.security.tokens import hash_token
from undercroft.modules.auth import Bearer, InvalidToken, TokenExpired, principal_statements
from undercroft.modules.identities.errors import AddressHeld
from undercroft.modules.identities.models import ExternalIdentity, UsedMark
from undercroft.modules.identities.news import KEPT
from undercroft.modules.identities.people import People
from undercroft.modules.identities.repository import OnceRepository, session_mark, was_used
from undercroft.providers.identity import BadToken, ExpiredToken, ExternalIssuer, Profile

REFUSED_SECONDS = 10
MOST_REMEMBERED = 10_000

_NOT_BLOCKED = or_(
    col(ExternalIdentity.blocked_until).is_(None),
    col(ExternalIdentity.blocked_until) <= func.now(),
)
_FOUND = (
    col(ExternalIdentity.issuer) == bindparam("issuer", type_=String),
    col(ExternalIdentity.subject) == bindparam("subject", type_=String),
    _NOT_BLOCKED,
    ~exists().where(col(UsedMark.mark) == bindparam("session_mark", type_=LargeBinary)),
)


class IssuedElsewhere:
    """The `ExternalAccounts` of this product. The first requests of a user, however many at once, are one admission."""

    def __init__(self, database: Database, issuer: ExternalIssuer, provider: str, *, allows_cookies: bool) -> None:
        self.issuer = issuer.issuer
        self.statements = principal_statements(*_FOUND, source=ExternalIdentity)
        self.allows_cookies = allows_cookies
        self._database = database
        self._issuer = issuer
        self._provider = provider
        self._under_way: dict[str, asyncio.Task[bool]] = {}
        self._refused: OrderedDict[str, tuple[float, AppError]] = OrderedDict()
        self._observed: OrderedDict[str, None] = OrderedDict()
        self._synchronizing: set[asyncio.Task[None]] = set()

    def knows(self, user_id: Any) -> tuple[ColumnElement[bool], ...]:
        known = col(ExternalIdentity.user_id) == user_id, col(ExternalIdentity.issuer) == self.issuer
        return (exists().where(*known, _NOT_BLOCKED),)

    async def verify(self, token: str) -> Bearer:
        try:
            claims = await self._issuer.tokens.verify(token)
        except BadToken as error:
            raise TokenExpired if isinstance(error, ExpiredToken) else InvalidToken from None
        mark = session_mark(claims.iss, claims.session) if claims.session else b""
        values = {"issuer": claims.iss, "subject": claims.sub, "session_mark": mark}
        impersonator = uuid5(NAMESPACE_URL, " ".join(claims.actor)) if claims.actor else None
        return Bearer(values, token, claims, claims.proven_at, claims.passed_mfa, impersonator)

    def subject(self, token: str) -> str | None:
        claims = self._issuer.tokens.verify_known(token)
        return claims.sub if claims else None

    async def admit(self, bearer: Bearer) -> None:
        """Raises `AccountInactive`, `EmailUnverified`, `IdentityConflict`, `IdentityProviderUnavailable`.

        Who was refused is refused again without the issuer being asked, for a few seconds.
        """
        subject = bearer.claims.sub
        until, error = self._refused.get(subject, (0.0, None))
        if error is not None and time.monotonic() < until:
            raise error.with_traceback(None)
        is_admitted = False
        while not is_admitted:  # no await before a task is found or made: one that ends meanwhile would be repeated
            task = self._under_way.get(subject)
            is_own = task is None
            if task is None:
                task = self._under_way[subject] = asyncio.create_task(self._admit(bearer))
                task.add_done_callback(lambda done: self._note(subject, done))
            is_admitted = await asyncio.shield(task) or is_own

    async def observe(self, bearer: Bearer, principal: Principal) -> None:
        claims, email = bearer.claims, principal.subject["email"]
        if claims.email is not None and claims.email != email and self._is_first(f"{claims.sub} {claims.iat}"):
            task = asyncio.create_task(self._synchronize(bearer))
            self._synchronizing.add(task)
            task.add_done_callback(self._synchronizing.discard)
        if bearer.impersonator_id is not None and self._is_first(f"{claims.act} {claims.sub} {claims.session}"):
            await self._record_impersonation(bearer, bearer.impersonator_id, principal.user_id)

    async def close(self) -> None:
        """Wait for what is under way."""
        await asyncio.gather(*self._synchronizing, return_exceptions=True)

    async def _admit(self, bearer: Bearer) -> bool:
        """Whether the user may sign in by now; not by a session that the issuer has ended."""
        async with self._database.reading() as reading:
            if await was_used(reading, bearer.values["session_mark"]):
                return False
        profile = await self._issuer.profile(bearer.claims, bearer.token)
        try:
            await self._sign_in(profile)
        except AddressHeld as error:
            holder = await self._issuer.lookup(error.subject)
            if holder is None or holder.email == profile.email:
                raise
            await self._sync(holder)
            await self._sign_in(profile)
        return True

    async def _sign_in(self, profile: Profile) -> None:
        async with self._database.session() as session:
            await People(session, self._provider).sign_in(profile)

    async def _sync(self, profile: Profile) -> None:
        async with self._database.session() as session:
            with acting_as(SYSTEM):
                await People(session, self._provider).sync(profile)

    async def _synchronize(self, bearer: Bearer) -> None:
        """A token states another address than the account's: its issuer has moved the user and no webhook said so."""
        with suppress(AppError):
            await self._sync(await self._issuer.profile(bearer.claims, bearer.token))

    async def _record_impersonation(self, bearer: Bearer, impersonator_id: UUID, user_id: UUID) -> None:
        """Audit once for each session who acts as the user: later entries name the actor by the id alone."""
        issuer, subject = bearer.claims.actor
        details = {"actor_issuer": issuer, "actor": subject, "session": bearer.claims.session}
        mark = hash_token(f"acting {issuer} {subject} {bearer.claims.sub} {bearer.claims.session}")
        actor = Actor(ActorKind.USER, user_id=user_id, impersonator_id=impersonator_id)
        async with self._database.session() as session:
            if await OnceRepository(session).use(mark, until=utc_now() + KEPT):
                with acting_as(actor):
                    await record(session, Entry("impersonation.started", None, "user", user_id, details=details))

    def _is_first(self, key: str) -> bool:
        """Whether this process has not seen this before, as far as it remembers."""
        if key in self._observed:
            return False
        self._observed[key] = None
        while len(self._observed) > MOST_REMEMBERED:
            self._observed.popitem(last=False)
        return True

    def _note(self, subject: str, done: "asyncio.Task[bool]") -> None:
        self._under_way.pop(subject, None)
        self._refused.pop(subject, None)
        error = None if done.cancelled() else done.exception()
        if isinstance(error, Conflict | Unauthorized):
            while len(self._refused) >= MOST_REMEMBERED:
                self._refused.popitem(last=False)
            self._refused[subject] = (time.monotonic() + REFUSED_SECONDS, error)
