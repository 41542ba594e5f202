"""Accept an invitation with a new account."""

from undercroft.core.db import Database
from undercroft.core.security import passwords
from undercroft.modules.auth import Client, SessionKind, StartedSession, register_verified, start_session
from undercroft.modules.teams import UserTeam, accept_invitation, get_open_invitation
from undercroft.modules.users import NewUser


async def register_and_accept(
    database: Database, *, token: str, password: str, full_name: str, client: Client
) -> tuple[UserTeam, StartedSession]:
    """Create an account for the invited address, which the emailed link verifies; accept and sign in.

    All in one transaction. Raises `WeakPassword`, `TooBusy`, `EmailTaken` and the errors of `accept_invitation`.
    """
    async with database.read_session() as read_session:
        email = (await get_open_invitation(read_session, token)).email
    passwords.require_strong(password, email=email)
    password_hash = await passwords.hash(password, subject=email)
    async with database.session() as session:
        user = await register_verified(session, NewUser(email=email, password_hash=password_hash, full_name=full_name))
        joined = await accept_invitation(session, token, user.id)
        return joined, await start_session(session, user, client, SessionKind.COOKIE)
