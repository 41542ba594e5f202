"""The authorization of one request: its principal, and how to verify it again after the request has waited."""

import time
from collections.abc import Awaitable, Callable

from undercroft.core.auth.principal import Principal
from undercroft.core.db.reauthorization import current_reauthorization, without_reauthorization
from undercroft.core.db.session import Session
from undercroft.core.errors import Conflict

FRESH_SECONDS = 0.05
"""Seconds for which a verification is valid. A write that does not wait takes a tenth of that."""


class AuthorizationChanged(Conflict):
    """The caller has fewer permissions than when the request arrived. The request must be sent again."""

    code = "AUTHORIZATION_CHANGED"
    message = "Your permissions changed while this request was waiting. Nothing was saved. Send the request again."


class Authorization:
    """The `Reauthorization` of a request.

    `authenticate` reads the principal again from committed data, so that a request may end its own session or
    membership. `lock` locks the rows that the principal depends on until the session's transaction ends; without the
    lock, a revocation could commit between the verification and the commit. Guards set `check` to their own
    requirements.
    """

    def __init__(
        self,
        principal: Principal,
        authenticate: Callable[[], Awaitable[Principal]],
        lock: Callable[[Session, Principal], Awaitable[None]],
    ) -> None:
        self.principal = principal
        self.check: Callable[[Principal], None] = lambda _principal: None
        self._authenticate = authenticate
        self._lock = lock
        self._verified_at = time.monotonic()
        self._waited = False

    def mark_waited(self) -> None:
        """Record that the request waited for another one: its next commit is verified, however short the wait was."""
        self._waited = True

    @property
    def age(self) -> float:
        """Seconds since the last verification."""
        return time.monotonic() - self._verified_at

    def is_due(self, *, locked: bool) -> bool:
        return locked or self._waited or self.age > FRESH_SECONDS

    async def verify(self, session: Session | None = None) -> None:
        """Verify again. Raises the errors of the guards, and `AuthorizationChanged` if the caller may do less now."""
        with without_reauthorization():
            if session is not None:
                await self._lock(session, self.principal)
            now = await self._authenticate()
        self.check(now)
        if not _includes(now, self.principal):
            raise AuthorizationChanged
        self._verified_at, self._waited = time.monotonic(), False


def current_authorization() -> Authorization | None:
    """The authorization of the current request; None if no caller was authenticated."""
    current = current_reauthorization()
    return current if isinstance(current, Authorization) else None


def _includes(now: Principal, before: Principal) -> bool:
    """Whether the caller is the same and may do at least as much as before."""
    return (
        _identity(now) == _identity(before)
        and now.role.includes(before.role)
        and now.permissions >= before.permissions
        and (now.passed_mfa or not before.passed_mfa)
        and not (now.mfa_blocked and not before.mfa_blocked)
    )


def _identity(principal: Principal) -> tuple[object, ...]:
    return (
        principal.user_id_or_none,
        principal.session_id_or_none,
        principal.api_key_id,
        principal.impersonator_id,
        principal.team_id,
    )
