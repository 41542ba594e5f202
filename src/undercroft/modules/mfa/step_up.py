"""Proving once more that it is oneself, in a session that goes on.

Who has second factors shows one of those: a password that somebody else knows must not be enough to turn them off.
"""

from typing import Any

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal, StepUpRequired
from undercroft.core.auth.proof import ways_of
from undercroft.core.db import Session
from undercroft.modules.auth import Client, Identity, WrongPassword, prove_session
from undercroft.modules.mfa import ceremonies
from undercroft.modules.mfa.errors import WrongCode
from undercroft.modules.mfa.models import Purpose
from undercroft.modules.mfa.proofs import fits
from undercroft.modules.mfa.repository import PasskeyRepository
from undercroft.modules.mfa.schemas import Proof
from undercroft.modules.users import UserRepository


class StepUpService:
    """Raises `InteractiveSessionRequired` where there is no session that could be proven."""

    def __init__(self, identity: Identity, principal: Principal, client: Client) -> None:
        self._identity = identity
        self._principal = principal
        self._client = client
        self._session_id = principal.session_id

    async def options(self) -> dict[str, Any]:
        """What a browser needs to sign with one of the passkeys."""
        async with self._identity.database.session() as session:
            known = list(await PasskeyRepository(session, self._principal.user_id).all())
            return await ceremonies.options_to_sign(session, Purpose.STEP_UP, self._session_id, known)

    async def by_password(self, password: str) -> None:
        """Raises `WrongPassword`, `TooManyAttempts`, `TooBusy`, and `StepUpRequired` to those with second factors."""
        user_id = self._principal.user_id
        proven = await self._identity.sign_in.require_password(user_id, self._email, password, self._client)
        async with self._identity.database.session() as session:
            user = await UserRepository(session).hold_with(user_id, proven)
            if user is None:
                raise WrongPassword
            if user.second_factors:
                raise StepUpRequired(details=ways_of(self._principal))
            await self._prove(session, "password", passed_mfa=False)

    async def by_factor(self, proof: Proof) -> None:
        """Raises `WrongCode`, `TooManyAttempts`."""
        attempt = await self._identity.throttle.begin(self._email, self._client, factor=proof.given[0])
        async with self._identity.database.session() as session:
            user = await UserRepository(session).lock(self._principal.user_id)
            if not await fits(session, user, proof, Purpose.STEP_UP, self._session_id):
                details = {"ip": self._client.ip, "way": proof.given[0]}
                await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
                raise WrongCode
            await self._identity.throttle.succeed(session, attempt)
            await self._prove(session, proof.given[0], passed_mfa=True)

    async def _prove(self, session: Session, way: str, *, passed_mfa: bool) -> None:
        await prove_session(session, self._principal, passed_mfa=passed_mfa)
        entry = Entry("session.proven", None, "session", self._session_id, details={"way": way})
        await record(session, entry)

    @property
    def _email(self) -> str:
        email: str = self._principal.subject["email"]
        return email
