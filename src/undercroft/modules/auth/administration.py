"""Administration of a user's sessions and credentials. The administrator must outrank the user
(`UserService.lock_as_admin`)."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.auth import Principal
from undercroft.core.db import ReadSession, Session
from undercroft.core.db.repository import OffsetPage
from undercroft.core.telemetry.redaction import HIDDEN
from undercroft.modules.auth.models import AuthSession, MailPurpose
from undercroft.modules.auth.outbox import request_mail
from undercroft.modules.auth.recovery import revoke_access
from undercroft.modules.auth.repository import SessionRepository
from undercroft.modules.auth.sessions import SessionNotFound, revoke_sessions
from undercroft.modules.users import UserRepository, UserService


async def list_sessions(session: ReadSession, user_id: UUID, *, page: int, size: int) -> OffsetPage[AuthSession]:
    """List a user's active sessions, most recently used first. Raises `UserNotFound`."""
    await UserRepository(session).get(user_id)
    return await SessionRepository(session).list_active(user_id, page=page, size=size)


async def end_session(session: Session, user_id: UUID, session_id: UUID, *, by: Principal) -> None:
    """Revoke one of a user's sessions. Raises `UserNotFound`, `RoleTooWeak`, `SessionNotFound`."""
    await UserService(session).lock_as_admin(user_id, by=by)
    if not await SessionRepository(session).revoke(session_id, user_id=user_id, forget_ip=True):
        raise SessionNotFound
    await record(session, Entry("session.ended", target_type="session", target_id=session_id, person_id=user_id))


async def sign_out(session: Session, user_id: UUID, *, by: Principal) -> int:
    """Revoke all sessions of a user and return their number. Raises `UserNotFound`, `RoleTooWeak`."""
    await UserService(session).lock_as_admin(user_id, by=by)
    ended = await revoke_sessions(session, user_id)
    if ended:
        entry = Entry("user.signed_out", target_type="user", target_id=user_id, details={"sessions": ended})
        await record(session, entry)
    return ended


async def require_password_reset(session: Session, user_id: UUID, *, by: Principal) -> None:
    """Invalidate a user's credentials and email a link to choose a new password.

    The password, emailed links, sessions and the user's API keys are revoked: an attacker may have created them.
    Raises `UserNotFound`, `RoleTooWeak`.
    """
    user = await UserService(session).lock_as_admin(user_id, by=by)
    before = {"password": HIDDEN if user.password_hash else None}
    await UserRepository(session).update(user, {"password_hash": None})
    revoked = await revoke_access(session, user_id)
    await request_mail(session, MailPurpose.RESET_REQUIRED, user.email, user_id=user_id, full_name=user.full_name)
    entry = Entry(
        "user.reset_required",
        target_type="user",
        target_id=user_id,
        before=before,
        after={"password": None},
        details=revoked,
    )
    await record(session, entry)
