"""Starts and ends impersonations."""

from typing import Any
from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.db import Session
from undercroft.core.settings import load
from undercroft.modules.impersonation.errors import ImpersonationNotAllowed, NotImpersonating, UserInactive
from undercroft.modules.impersonation.settings import ImpersonationSettings
from undercroft.modules.sessions import AuthSession, SessionRepository, SessionService, decide_claims
from undercroft.modules.users import User, UserRepository


class ImpersonationService:
    def __init__(self, session: Session, principal: Principal) -> None:
        self._session = session
        self._principal = principal

    async def start(
        self, user_id: UUID, *, reason: str, cookie: str | None = None
    ) -> tuple[AuthSession, dict[str, Any]]:
        """Start an impersonation, of a browser if it has the value of its cookie.

        Returns its session and the claims that hooks add to its token.

        Raises `UserNotFound`, `ImpersonationNotAllowed`, `UserInactive` and what hooks of `TokenClaims` raise.
        """
        user = await UserRepository(self._session).lock(user_id)
        _require_allowed(self._principal, user)
        lifetime = load(ImpersonationSettings).lifetime
        started = await SessionService(self._session).start_impersonation(
            user.id, by=self._principal, lifetime=lifetime, cookie=cookie
        )
        details = {"reason": reason, "session_id": started.id, "expires_at": started.expires_at}
        entry = Entry("impersonation.started", self._principal.user_id, "user", user.id, details=details)
        await record(self._session, entry)
        if cookie is not None:
            return started, {}
        claims = await decide_claims(self._session, user.id, started.id, impersonator_id=self._principal.user_id)
        return started, claims

    async def end(self) -> None:
        """End the impersonation of this session. Raises `NotImpersonating`."""
        if self._principal.impersonator_id is None:
            raise NotImpersonating
        if await SessionRepository(self._session).revoke(self._principal.session_id):
            entry = Entry("impersonation.ended", target_type="user", target_id=self._principal.user_id)
            await record(self._session, entry)


def _require_allowed(by: Principal, user: User) -> None:
    """Check the roles. The statement that finds the principal repeats this check for every later request."""
    below = {PlatformRole.USER} | ({PlatformRole.ADMIN} if by.role is PlatformRole.SUPERADMIN else set())
    if by.impersonator_id is not None or by.user_id == user.id or user.role not in below:
        raise ImpersonationNotAllowed
    if not user.is_active:
        raise UserInactive
