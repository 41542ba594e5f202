"""The authorization of one request: as whom it was authenticated, when, and how to verify that after it has waited."""

import time
from collections.abc import Awaitable, Callable

from undercroft.core.auth.principal import Principal
from undercroft.core.db.reauthorization import bind_reauthorization, current_reauthorization, without_reauthorization
from undercroft.core.db.session import Session
from undercroft.core.errors import Conflict

FRESH_SECONDS = 0.05
"""For how long a request need not be verified again. A write that waits for nothing takes a tenth of that."""


class AuthorizationChanged(Conflict):
    """The caller may do less than when the request arrived; whether that matters, only a new request can find out."""

    code = "AUTHORIZATION_CHANGED"
    message = "Your permissions changed while this request was waiting. Nothing was saved. Send the request again."


class Authorization:
    """The `Reauthorization` of a request.

    `authenticate` finds the principal again, as of now and as others have committed it, so that a request may end its
    own session or membership. `lock` keeps the rows that the principal rests on from being changed until the session's
    transaction ends; without that, a revocation could commit between the verification and the commit. Guards set
    `check` to what else they ask of a principal.
    """

    def __init__(
        self,
        principal: Principal,
        authenticate: Callable[[], Awaitable[Principal]],
        lock: Callable[[Session, Principal], Awaitable[None]],
    ) -> None:
        self.principal = principal
        self.check: Callable[[Principal], None] = _accept
        self._authenticate = authenticate
        self._lock = lock
        self._verified_at = time.monotonic()
        self._waited = False

    def mark_waited(self) -> None:
        """Note that the request waited for another one: its next commit is verified, however short the wait was."""
        self._waited = True

    def is_due(self, *, locked: bool) -> bool:
        return locked or self._waited or time.monotonic() - self._verified_at > FRESH_SECONDS

    async def verify(self, session: Session | None = None) -> None:
        """Verify again. Raises what the guards raise, and `AuthorizationChanged` when the caller may do less now."""
        with without_reauthorization():
            if session is not None:
                await self._lock(session, self.principal)
            now = await self._authenticate()
        self.check(now)
        if not _includes(now, self.principal):
            raise AuthorizationChanged
        self._verified_at, self._waited = time.monotonic(), False


def bind_authorization(authorization: Authorization) -> None:
    """Verify the transactions of this request by this authorization from now on."""
    bind_reauthorization(authorization)


def current_authorization() -> Authorization | None:
    """The authorization of the current request; None where no caller was authenticated."""
    current = current_reauthorization()
    return current if isinstance(current, Authorization) else None


def _accept(_principal: Principal) -> None:
    """Being authenticated is enough."""


def _includes(now: Principal, before: Principal) -> bool:
    """Whether the caller is the same and may do at least what it could before."""
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
