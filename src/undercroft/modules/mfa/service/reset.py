"""Removal of all second factors of a user who has lost them, by a superadmin or a CLI command."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    PendingSignInRepository,
    RecoveryCodeRepository,
    TotpRepository,
)
from undercroft.modules.mfa.service.notifications import notify
from undercroft.modules.sessions import SessionService
from undercroft.modules.users import UserNotFound, UserRepository


async def reset(session: Session, user_id: UUID) -> bool:
    """Turn two-factor authentication off for a user and notify the user. Returns whether it was on.

    All sessions are revoked, because a session that passed an old factor would otherwise count as one that passed the
    next factor. The user and the user's API keys have no access to teams that require two-factor authentication until
    it is on again. Raises `UserNotFound`.
    """
    user = await UserRepository(session).lock(user_id)
    before = list(user.second_factors)
    await erase(session, user_id)
    if not before:
        return False
    await UserRepository(session).update(user, {"second_factors": []})
    revoked = {"sessions": await SessionService(session).revoke_all(user_id)}
    old, new = ({"second_factors": factors} for factors in (before, []))
    await record(session, Entry("mfa.reset", None, "user", user_id, before=old, after=new, details=revoked))
    await notify(session, user_id, "mfa/mfa_reset")
    return True


async def reset_by_email(database: Database, *, email: str) -> bool:
    """Like `reset`, for the user with this email address. Raises `UserNotFound`."""
    async with database.session() as session:
        user = await UserRepository(session).get_by_email(email)
        if user is None:
            raise UserNotFound(f"No user has the email address {email}.")
        return await reset(session, user.id)


async def erase(session: Session, user_id: UUID) -> None:
    await TotpRepository(session).delete_by(user_id=user_id)
    await PasskeyRepository(session, user_id).delete_by()
    await RecoveryCodeRepository(session).replace(user_id, [])
    await PendingSignInRepository(session).delete_by(user_id=user_id)
