"""Reactions of sessions to events of users."""

from undercroft.core.db import Session
from undercroft.core.events import subscribe
from undercroft.modules.sessions.repository.sessions import SessionRepository
from undercroft.modules.sessions.service.sessions import SessionService
from undercroft.modules.users import UserDeactivated, UserDeleted


@subscribe(UserDeactivated)
async def sign_out_everywhere(session: Session, event: UserDeactivated) -> None:
    """Revoke all sign-ins, so that a reactivated user has to sign in again."""
    await SessionService(session).revoke_sign_ins(event.user_id)


@subscribe(UserDeleted)
async def delete_sessions(session: Session, event: UserDeleted) -> None:
    await SessionRepository(session).delete_by(user_id=event.user_id)
