"""Step-up authentication: reauthentication of the user within a session.

A user with second factors must use one of them: a stolen password must not be enough to turn them off.
"""

from typing import Any

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal, StepUpRequired
from undercroft.core.auth.step_up import get_step_up_methods
from undercroft.core.db import Session
from undercroft.modules.auth import AuthServices, Client, WrongPassword, mark_session_reauthenticated
from undercroft.modules.mfa import webauthn
from undercroft.modules.mfa.errors import WrongCode
from undercroft.modules.mfa.models import ChallengePurpose
from undercroft.modules.mfa.repository import PasskeyRepository
from undercroft.modules.mfa.schemas import MfaCredential
from undercroft.modules.mfa.verification import verify_factor
from undercroft.modules.users import UserRepository


class StepUpService:
    """Reauthenticates the current session. Raises `InteractiveSessionRequired` when the principal has no session."""

    def __init__(self, auth_services: AuthServices, principal: Principal, client: Client) -> None:
        self._auth_services = auth_services
        self._principal = principal
        self._client = client
        self._session_id = principal.session_id

    async def options(self) -> dict[str, Any]:
        """Return options for a browser to use one of the user's passkeys."""
        async with self._auth_services.database.session() as session:
            known = list(await PasskeyRepository(session, self._principal.user_id).all())
            return await webauthn.create_authentication_options(
                session, ChallengePurpose.STEP_UP, self._session_id, known
            )

    async def authenticate_with_password(self, password: str) -> None:
        """Reauthenticate with the password.

        Raises `WrongPassword`, `TooManyAttempts`, `TooBusy`, and `StepUpRequired` for users with second factors.
        """
        user_id = self._principal.user_id
        verified = await self._auth_services.sign_in.require_password(user_id, self._email, password, self._client)
        async with self._auth_services.database.session() as session:
            user = await UserRepository(session).lock_if_password_unchanged(user_id, verified)
            if user is None:
                raise WrongPassword
            if user.second_factors:
                raise StepUpRequired(details=get_step_up_methods(self._principal))
            await self._reauthenticate(session, "password", passed_mfa=False)

    async def authenticate_with_factor(self, credential: MfaCredential) -> None:
        """Reauthenticate with a second factor. Raises `WrongCode`, `TooManyAttempts`."""
        method = credential.provided_methods[0]
        attempt = await self._auth_services.throttle.begin(self._email, self._client, factor=method)
        async with self._auth_services.database.session() as session:
            user = await UserRepository(session).lock(self._principal.user_id)
            if not await verify_factor(session, user, credential, ChallengePurpose.STEP_UP, self._session_id):
                details = {"ip": self._client.ip, "way": method}
                await record(session, Entry("mfa.failed", None, "user", user.id, details=details))
                raise WrongCode
            await self._auth_services.throttle.succeed(session, attempt)
            await self._reauthenticate(session, method, passed_mfa=True)

    async def _reauthenticate(self, session: Session, method: str, *, passed_mfa: bool) -> None:
        await mark_session_reauthenticated(session, self._principal, passed_mfa=passed_mfa)
        entry = Entry("session.proven", None, "session", self._session_id, details={"way": method})
        await record(session, entry)

    @property
    def _email(self) -> str:
        email: str = self._principal.subject["email"]
        return email
