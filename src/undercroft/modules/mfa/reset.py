"""Taking all second factors from somebody who has lost them, by a superadmin or a command."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.core.db import Database, Session
from undercroft.modules.auth import revoke_sessions
from undercroft.modules.mfa.notifications import MfaNotification, notify
from undercroft.modules.mfa.repository import (
    PasskeyRepository,
    PendingSignInRepository,
    RecoveryCodeRepository,
    TotpRepository,
)
from undercroft.modules.users import UserNotFound, UserRepository


async def reset(session: Session, user_id: UUID) -> bool:
    """Turn two-step sign-in off for a user and notify them; whether it was on. Raises `UserNotFound`.

    All sessions are revoked: one that saw a factor of before would count as one that saw the next. Teams that require
    two-step sign-in stay closed to the user, and to their API keys, until it is on again.
    """
    user = await UserRepository(session).lock(user_id)
    before = list(user.second_factors)
    await erase(session, user_id)
    if not before:
        return False
    await UserRepository(session).update(user, {"second_factors": []})
    revoked = {"sessions": await revoke_sessions(session, user_id)}
    was, now = ({"second_factors": factors} for factors in (before, []))
    await record(session, Entry("mfa.reset", None, "user", user_id, before=was, after=now, details=revoked))
    await notify(session, user_id, MfaNotification.MFA_RESET)
    return True


async def reset_by_email(database: Database, *, email: str) -> bool:
    """As `reset`, for whoever has this address. Raises `UserNotFound`."""
    async with database.session() as session:
        user = await UserRepository(session).get_by_email(email)
        if user is None:
            raise UserNotFound(f"Nobody has the address {email}.")
        return await reset(session, user.id)


async def erase(session: Session, user_id: UUID) -> None:
    """Remove everything that is kept about somebody's second factors."""
    await TotpRepository(session).remove(user_id)
    await PasskeyRepository(session, user_id).erase()
    await RecoveryCodeRepository(session).replace(user_id, [])
    await PendingSignInRepository(session).erase(user_id)
