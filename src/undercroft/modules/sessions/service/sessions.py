"""Sessions: start, list and revoke."""

from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from starlette.responses import Response

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import Paging, ReadSession, RowPage, utc_now
from undercroft.core.events import publish
from undercroft.core.hooks import decide
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import load
from undercroft.modules.sessions.errors import LocalAccountsOff, SessionNotFound
from undercroft.modules.sessions.events import SignedIn
from undercroft.modules.sessions.hooks import SignIn, decide_claims
from undercroft.modules.sessions.models import AuthSession, RefreshToken, SessionKind
from undercroft.modules.sessions.repository.sessions import RefreshTokenRepository, SessionRepository
from undercroft.modules.sessions.service.client import Client, Device
from undercroft.modules.sessions.service.cookies import IMPERSONATION_COOKIE, SESSION_COOKIE
from undercroft.modules.sessions.service.interfaces import LOCAL_FIRST_FACTOR, FirstFactor, raise_mfa_required
from undercroft.modules.sessions.settings import SessionSettings
from undercroft.modules.users import SignInsRevoked, User, UserRepository, UserService
from undercroft.providers.identity import IdentitySettings


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session, its secret (a refresh token or the cookie value), and the device on which it was started.

    `claims` are those that hooks add to its access token.
    """

    user_id: UUID
    session_id: UUID
    secret: str = field(repr=False)
    device: Device | None = None
    claims: dict[str, Any] = field(default_factory=dict)

    def set_cookies(self, response: Response) -> None:
        """Set the session cookie and the device cookie, and remove that of an earlier impersonation."""
        SESSION_COOKIE.set(response, self.secret, lifetime=load(SessionSettings).session_lifetime)
        IMPERSONATION_COOKIE.clear(response)
        self.set_device_cookie(response)

    def set_device_cookie(self, response: Response) -> None:
        """Set the device cookie, which marks the device as known to the account."""
        if self.device is not None:
            self.device.set_cookie(response)


def ensure_local_accounts() -> None:
    """Raise `LocalAccountsOff` if an external identity provider manages the accounts."""
    if load(IdentitySettings).is_external:
        raise LocalAccountsOff


class SessionService:
    """Starts, lists and revokes sessions of users. Pass a `Session` to change them, a `ReadSession` to list them."""

    def __init__(self, session: ReadSession) -> None:
        self._session = session
        self._sessions = SessionRepository(session)

    async def list_active(self, user_id: UUID, paging: Paging) -> RowPage[AuthSession]:
        """List a user's active sessions, most recently used first."""
        return await self._sessions.list_active(user_id, paging)

    async def start(
        self,
        user: User,
        client: Client,
        kind: SessionKind,
        *,
        passed_mfa: bool = False,
        first_factor: FirstFactor = LOCAL_FIRST_FACTOR,
    ) -> StartedSession:
        """Start a session for a verified user. All sign-in methods call this.

        Raises `MfaRequired`, which commits the transaction, if the user has a second factor and has not `passed_mfa`.
        Raises `LocalAccountsOff` if an external identity provider manages the accounts and did not verify this user,
        and what hooks of `SignIn` and `TokenClaims` raise.
        """
        _require_issuer(first_factor.issuer)
        if user.second_factors and not passed_mfa:
            await raise_mfa_required(self._session.writable, user, client, kind, first_factor)
        lifetime = await self._decide_lifetime(user, client, kind, first_factor, passed_mfa=passed_mfa)
        settings, now, secret = load(SessionSettings), utc_now(), new_token()
        ends_at = now + lifetime
        started = AuthSession(
            user_id=user.id,
            kind=kind,
            cookie_hash=hash_token(secret) if kind is SessionKind.COOKIE else None,
            ip=client.ip,
            started_ip=client.ip,
            user_agent=client.user_agent,
            last_seen_at=now,
            expires_at=min(now + settings.idle_timeout, ends_at),
            ends_at=ends_at,
            reauthenticated_at=now,
            issuer=first_factor.issuer,
            passed_mfa=passed_mfa,
        )
        claims = await decide_claims(self._session.writable, user.id, started.id) if kind is SessionKind.BEARER else {}
        await self._sessions.create(started)
        if kind is SessionKind.BEARER:
            self._session.writable.add(RefreshToken(token_hash=hash_token(secret), session_id=started.id))
        details = {"known_device": await self._is_known_device(user, client.device)}
        entry = Entry("session.started", user.id, "session", started.id, after={"kind": kind.value}, details=details)
        await record(self._session.writable, entry)
        await publish(self._session.writable, SignedIn(user.id, first_factor))
        device = client.device.with_account(user.email, started.id)
        return StartedSession(user.id, started.id, secret, device, claims)

    async def _decide_lifetime(
        self, user: User, client: Client, kind: SessionKind, first_factor: FirstFactor, *, passed_mfa: bool
    ) -> timedelta:
        """Let the hooks of `SignIn` decide, and return the lifetime of the session."""
        longest = int(load(SessionSettings).session_lifetime.total_seconds())
        sign_in = SignIn(
            user_id=user.id,
            email=user.email,
            kind=kind,
            issuer=first_factor.issuer,
            passed_mfa=passed_mfa,
            ip=client.ip,
            user_agent=client.user_agent,
            lifetime=longest,
        )
        decided = await decide(self._session.writable, sign_in)
        return timedelta(seconds=min(longest, decided.lifetime))

    async def start_impersonation(
        self, user_id: UUID, *, by: Principal, lifetime: timedelta, cookie: str | None = None
    ) -> AuthSession:
        """Start a session in which an administrator impersonates a user, without refresh token and with a fixed expiry.

        `cookie` is the value of its `IMPERSONATION_COOKIE`; without one, it is used with an access token. The
        administrator's IP address is not stored, because it would count as a known address of the user.
        """
        now = utc_now()
        started = AuthSession(
            user_id=user_id,
            kind=SessionKind.BEARER if cookie is None else SessionKind.COOKIE,
            cookie_hash=None if cookie is None else hash_token(cookie),
            last_seen_at=now,
            expires_at=now + lifetime,
            ends_at=now + lifetime,
            reauthenticated_at=now,
            passed_mfa=by.passed_mfa,
            impersonator_id=by.user_id,
            impersonator_session_id=by.session_id_or_none,
        )
        return await self._sessions.create(started)

    async def revoke_own(self, principal: Principal, session_id: UUID) -> None:
        """Revoke a session of the current user. Raises `SessionNotFound`."""
        forget_ip = session_id != principal.session_id_or_none  # revoked from another session, so it may be a thief's
        if not await self._sessions.revoke(session_id, user_id=principal.user_id, forget_ip=forget_ip):
            raise SessionNotFound
        await self._record_revocation(principal.user_id, session_id)

    async def sign_out_browser(self, principal: Principal) -> None:
        """Revoke the session of the cookies of a request; during an impersonation, also the administrator's session.

        Raises `SessionNotFound`.
        """
        if principal.impersonator_id is None:
            await self.revoke_own(principal, principal.session_id)
            return
        own_id = await self._sessions.get_impersonator_session_id(principal.session_id)
        await self._sessions.revoke(principal.session_id)
        if own_id is None or not await self._sessions.revoke(own_id, user_id=principal.impersonator_id):
            raise SessionNotFound
        await self._record_revocation(principal.impersonator_id, own_id)

    async def revoke_others(self, principal: Principal) -> None:
        """Revoke all sessions of the current user except the current one."""
        user_id = principal.user_id
        revoked = await self.revoke_all(user_id, except_session_id=principal.session_id_or_none)
        if revoked:
            after = {"revoked": True, "sessions": revoked}
            await record(self._session.writable, Entry("session.others_revoked", user_id, "user", user_id, after=after))

    async def sign_out(self, refresh_token: str) -> None:
        """Revoke the session of a refresh token; does nothing for an unknown token."""
        owned = await RefreshTokenRepository(self._session).find_session(hash_token(refresh_token))
        if owned is not None and await self._sessions.revoke(owned.session_id):
            await self._record_revocation(owned.user_id, owned.session_id)

    async def revoke_all(self, user_id: UUID, *, except_session_id: UUID | None = None) -> int:
        """Revoke a user's sessions except one, and the user's impersonations. Returns their number; the caller
        records it.

        IP addresses at which the user signed in are no longer known.
        """
        await self._sessions.forget_known_ips(user_id, except_session_id=except_session_id)
        return await self._sessions.revoke_all(user_id, except_session_id=except_session_id)

    async def revoke_sign_ins(self, user_id: UUID) -> int:
        """Revoke all sessions, links, codes and pending sign-ins of a user. Returns the number of sessions."""
        revoked = await self.revoke_all(user_id)
        await publish(self._session.writable, SignInsRevoked(user_id))
        return revoked

    async def list_of_user(self, user_id: UUID, paging: Paging) -> RowPage[AuthSession]:
        """Like `list_active`, for administrators. Raises `UserNotFound`."""
        await UserRepository(self._session).get(user_id)
        return await self.list_active(user_id, paging)

    async def revoke_of_user(self, user_id: UUID, session_id: UUID, *, by: Principal) -> None:
        """Revoke a session of a user of a lower rank than the administrator.

        Raises `UserNotFound`, `RoleTooWeak`, `SessionNotFound`.
        """
        await UserService(self._session).lock_as_admin(user_id, by=by)
        if not await self._sessions.revoke(session_id, user_id=user_id, forget_ip=True):
            raise SessionNotFound
        entry = Entry("session.revoked", target_type="session", target_id=session_id, person_id=user_id)
        await record(self._session.writable, entry)

    async def sign_out_user(self, user_id: UUID, *, by: Principal) -> int:
        """Revoke all sessions of a user of a lower rank than the administrator. Returns their number.

        Raises `UserNotFound`, `RoleTooWeak`.
        """
        await UserService(self._session).lock_as_admin(user_id, by=by)
        revoked = await self.revoke_all(user_id)
        if revoked:
            details = {"sessions": revoked}
            entry = Entry("user.signed_out", target_type="user", target_id=user_id, details=details)
            await record(self._session.writable, entry)
        return revoked

    async def _is_known_device(self, user: User, device: Device) -> bool:
        """Whether the device is known: the IP address at which its last session of this user started is still known.

        A thief's device has signed in, too. After the owner recovers the account, only the device on which the emailed
        link was opened is known, because no session has started on it since.
        """
        before = device.last_session_id(user.email)
        if before is None:
            return device.has_account(user.email)
        return await self._sessions.has_known_ip(before, user.id)

    async def _record_revocation(self, user_id: UUID, session_id: UUID) -> None:
        changed: dict[str, Any] = {"before": {"revoked": False}, "after": {"revoked": True}}
        await record(self._session.writable, Entry("session.revoked", user_id, "session", session_id, **changed))


def _require_issuer(issuer: str) -> None:
    """Raise `LocalAccountsOff` if an external identity provider manages the accounts and did not verify this user.

    Otherwise earlier passkeys, passwords and links would still work for users that the provider has removed.
    """
    settings = load(IdentitySettings)
    if settings.is_external and issuer != settings.issuer:
        raise LocalAccountsOff
