"""Sessions: start, list and revoke."""

from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession, Session, utc_now
from undercroft.core.db.repository import OffsetPage
from undercroft.core.errors import NotFound
from undercroft.core.events import publish
from undercroft.core.ids import new_id
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import load
from undercroft.modules.auth import second_factor
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.device import Device
from undercroft.modules.auth.external import require_issuer
from undercroft.modules.auth.first_factor import LOCAL_FIRST_FACTOR, FirstFactor, SignedIn
from undercroft.modules.auth.models import AuthSession, RefreshToken, SessionKind
from undercroft.modules.auth.repository import RefreshTokenRepository, SessionRepository
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users import User


class SessionNotFound(NotFound):
    code = "SESSION_NOT_FOUND"
    message = "Session not found."


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session, its secret (a refresh token or the cookie value), and the device on which it was started."""

    user_id: UUID
    session_id: UUID
    secret: str = field(repr=False)
    device: Device | None = None


async def start_session(
    session: Session,
    user: User,
    client: Client,
    kind: SessionKind,
    *,
    passed_mfa: bool = False,
    first_factor: FirstFactor = LOCAL_FIRST_FACTOR,
) -> StartedSession:
    """Start a session for a verified user. All sign-in methods call this.

    Raises `MfaRequired`, which commits the transaction, if the user has a second factor and has not `passed_mfa`.
    Raises `LocalAccountsOff` if an external identity provider manages the accounts and did not verify this user.
    """
    require_issuer(first_factor.issuer)
    if user.second_factors and not passed_mfa:
        await second_factor.raise_mfa_required(session, user, client, kind, first_factor)
    settings, now, secret = load(AuthSettings), utc_now(), new_token()
    ends_at = now + settings.session_lifetime
    started = AuthSession(
        id=new_id(),
        user_id=user.id,
        kind=kind,
        cookie_hash=hash_token(secret) if kind is SessionKind.COOKIE else None,
        ip=client.ip,
        started_ip=client.ip,
        user_agent=client.user_agent,
        last_seen_at=now,
        expires_at=min(now + settings.idle_timeout, ends_at),
        ends_at=ends_at,
        proven_at=now,
        issuer=first_factor.issuer,
        passed_mfa=passed_mfa,
    )
    session.add(started)
    await session.flush()
    if kind is SessionKind.BEARER:
        session.add(RefreshToken(token_hash=hash_token(secret), session_id=started.id))
    details = {"known_device": await _is_known_device(session, user, client.device)}
    await record(
        session, Entry("session.started", user.id, "session", started.id, after={"kind": kind.value}, details=details)
    )
    await publish(session, SignedIn(user.id, first_factor))
    return StartedSession(user.id, started.id, secret, client.device.with_account(user.email, started.id))


async def _is_known_device(session: Session, user: User, device: Device) -> bool:
    """Whether the device is known: the IP address at which its last session of this user started is still known.

    A thief's device has signed in, too. After the owner recovers the account, only the device on which the emailed link
    was opened is known, because no session has started on it since.
    """
    before = device.last_session_id(user.email)
    if before is None:
        return device.has_account(user.email)
    return await SessionRepository(session).has_known_ip(before, user.id)


async def start_impersonation(session: Session, user_id: UUID, *, by: Principal, lifetime: timedelta) -> AuthSession:
    """Start a session in which an administrator impersonates a user. It has no refresh token and a fixed expiry.

    The administrator's IP address is not stored, because it would count as a known address of the user.
    """
    now = utc_now()
    started = AuthSession(
        id=new_id(),
        user_id=user_id,
        kind=SessionKind.BEARER,
        last_seen_at=now,
        expires_at=now + lifetime,
        ends_at=now + lifetime,
        proven_at=now,
        passed_mfa=by.passed_mfa,
        impersonator_id=by.user_id,
        impersonator_session_id=by.session_id_or_none,
    )
    session.add(started)
    await session.flush()
    return started


async def revoke_session(session: Session, session_id: UUID) -> bool:
    """Revoke a session; False if it is not active. The caller records it."""
    return await SessionRepository(session).revoke(session_id)


async def list_sessions(session: ReadSession, principal: Principal, *, page: int, size: int) -> OffsetPage[AuthSession]:
    """List the active sessions of the current user, most recently used first."""
    return await SessionRepository(session).list_active(principal.user_id, page=page, size=size)


async def end_session(session: Session, principal: Principal, session_id: UUID) -> None:
    """Revoke a session of the current user. Raises `SessionNotFound`."""
    forget_ip = session_id != principal.session_id_or_none  # revoked from another session, so it may be a thief's
    if not await SessionRepository(session).revoke(session_id, user_id=principal.user_id, forget_ip=forget_ip):
        raise SessionNotFound
    await _record_end(session, principal.user_id, session_id)


async def end_other_sessions(session: Session, principal: Principal) -> None:
    """Revoke all sessions of the current user except the current one."""
    sessions = SessionRepository(session)
    await sessions.forget_known_ips(principal.user_id, except_session_id=principal.session_id_or_none)
    ended = await sessions.revoke_all(principal.user_id, except_session_id=principal.session_id_or_none)
    if ended:
        who = principal.user_id
        await record(session, Entry("session.others_ended", who, "user", who, after={"ended": True, "sessions": ended}))


async def lock_active_session(session: Session, session_id: UUID, user_id: UUID) -> bool:
    """Lock a session of a user against revocation; False if it is not active."""
    return await SessionRepository(session).lock_active(session_id, user_id)


async def mark_session_reauthenticated(session: Session, principal: Principal, *, passed_mfa: bool) -> None:
    """Record that the user of this session has just used a password or a second factor."""
    await SessionRepository(session).mark_reauthenticated(principal.session_id, passed_mfa=passed_mfa)


async def revoke_sessions(session: Session, user_id: UUID) -> int:
    """Revoke all sessions and impersonations of a user. Returns their number; the caller records it.

    IP addresses at which the user signed in are no longer known.
    """
    sessions = SessionRepository(session)
    await sessions.forget_known_ips(user_id)
    return await sessions.revoke_all(user_id)


async def reset_passed_mfa(session: Session, user_id: UUID) -> None:
    """Clear `passed_mfa` after the user's last second factor was removed, so that it does not count for a new one."""
    await SessionRepository(session).clear_passed_mfa(user_id)


async def sign_out(session: Session, refresh_token: str) -> None:
    """Revoke the session of a refresh token; does nothing for an unknown token."""
    owned = await RefreshTokenRepository(session).find_session(hash_token(refresh_token))
    if owned is not None and await SessionRepository(session).revoke(owned.session_id):
        await _record_end(session, owned.user_id, owned.session_id)


async def _record_end(session: Session, user_id: UUID, session_id: UUID) -> None:
    entry = Entry("session.ended", user_id, "session", session_id, before={"ended": False}, after={"ended": True})
    await record(session, entry)
