"""Sessions: begun at sign-in, listed and ended by their owner."""

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
    message = "There is no such session."


@dataclass(frozen=True, slots=True)
class StartedSession:
    """A session, the secret that continues it (a refresh token, or the cookie's value), and the device it began on."""

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
    """Begin a session of a user who was verified: the one way in, whatever the proof was.

    Raises `MfaRequired` for those who have a second factor unless it `passed_mfa` already; the transaction is kept.
    Raises `LocalAccountsOff` where another service has the accounts and did not verify this user itself.
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
    known = {"known_device": await _is_known_device(session, user, client.device)}
    await record(
        session, Entry("session.started", user.id, "session", started.id, after={"kind": kind.value}, details=known)
    )
    await publish(session, SignedIn(user.id, first_factor))
    return StartedSession(user.id, started.id, secret, client.device.with_account(user.email, started.id))


async def _is_known_device(session: Session, user: User, device: Device) -> bool:
    """Whether the device's last session of this user began in a place that was not forgotten since.

    A thief signed in on a device, too. When the owner takes the account back, no device is a known one any more but the
    one on which that was done: a mailed link was opened there last, and no session began since.
    """
    before = device.last_session_id(user.email)
    if before is None:
        return device.has_account(user.email)
    return await SessionRepository(session).has_known_ip(before, user.id)


async def start_impersonation(session: Session, user_id: UUID, *, by: Principal, lifetime: timedelta) -> AuthSession:
    """Begin a session in which an administrator acts as somebody. Nothing continues it, and it is not moved on by use.

    Where the administrator sits is not noted: the address would count as one that the person signed in from.
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
    """End a session; whether there was one to end. Who asks for it records it."""
    return await SessionRepository(session).revoke(session_id)


async def list_sessions(session: ReadSession, principal: Principal, *, page: int, size: int) -> OffsetPage[AuthSession]:
    """One's own sessions that can still be used, the latest seen first."""
    return await SessionRepository(session).list_active(principal.user_id, page=page, size=size)


async def end_session(session: Session, principal: Principal, session_id: UUID) -> None:
    """End one of one's own sessions, from the next request on. Raises `SessionNotFound`."""
    forget_ip = session_id != principal.session_id_or_none  # ended from elsewhere, so it may be a thief's
    if not await SessionRepository(session).revoke(session_id, user_id=principal.user_id, forget_ip=forget_ip):
        raise SessionNotFound
    await _record_end(session, principal.user_id, session_id)


async def end_other_sessions(session: Session, principal: Principal) -> None:
    """End all of one's own sessions but this one."""
    sessions = SessionRepository(session)
    await sessions.forget_known_ips(principal.user_id, except_session_id=principal.session_id_or_none)
    ended = await sessions.revoke_all(principal.user_id, except_session_id=principal.session_id_or_none)
    if ended:
        who = principal.user_id
        await record(session, Entry("session.others_ended", who, "user", who, after={"ended": True, "sessions": ended}))


async def lock_active_session(session: Session, session_id: UUID, user_id: UUID) -> bool:
    """Whether this session of this user can still be used; it is not revoked before the transaction ends."""
    return await SessionRepository(session).lock_active(session_id, user_id)


async def mark_session_reauthenticated(session: Session, principal: Principal, *, passed_mfa: bool) -> None:
    """Note that the person of this session has just shown a password, or a second factor."""
    await SessionRepository(session).mark_reauthenticated(principal.session_id, passed_mfa=passed_mfa)


async def revoke_sessions(session: Session, user_id: UUID) -> int:
    """Revoke all sessions of a user, and those in which the user acts as others; how many there were.

    Places in which the user signed in before are not known ones any more. The caller records it.
    """
    sessions = SessionRepository(session)
    await sessions.forget_known_ips(user_id)
    return await sessions.revoke_all(user_id)


async def reset_passed_mfa(session: Session, user_id: UUID) -> None:
    """The user's last second factor is gone: sessions that saw it do not count as having seen the next one."""
    await SessionRepository(session).clear_passed_mfa(user_id)


async def sign_out(session: Session, refresh_token: str) -> None:
    """End the session of a refresh token; one that is unknown has none to end."""
    owned = await RefreshTokenRepository(session).find_session(hash_token(refresh_token))
    if owned is not None and await SessionRepository(session).revoke(owned.session_id):
        await _record_end(session, owned.user_id, owned.session_id)


async def _record_end(session: Session, user_id: UUID, session_id: UUID) -> None:
    entry = Entry("session.ended", user_id, "session", session_id, before={"ended": False}, after={"ended": True})
    await record(session, entry)
