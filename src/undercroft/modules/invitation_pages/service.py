"""Accepting an invitation as somebody who has no account yet."""

from undercroft.core.db import Database
from undercroft.core.security import passwords
from undercroft.modules.auth import Client, SessionKind, Started, register_proven, start_session
from undercroft.modules.teams import Belonging, accept_invitation, open_invitation
from undercroft.modules.users import NewUser


async def register_and_accept(
    database: Database, *, token: str, password: str, full_name: str, client: Client
) -> tuple[Belonging, Started]:
    """Make an account for the invited address, which the mailed link proves, let it join, and sign it in.

    All of it or nothing. Raises `WeakPassword`, `TooBusy`, `EmailTaken` and what `accept_invitation` raises.
    """
    async with database.reading() as reading:
        email = (await open_invitation(reading, token)).email
    passwords.require_good(password, email=email)
    password_hash = await passwords.hash(password, subject=email)
    async with database.session() as session:
        user = await register_proven(session, NewUser(email=email, password_hash=password_hash, full_name=full_name))
        joined = await accept_invitation(session, token, user.id)
        return joined, await start_session(session, user, client, SessionKind.COOKIE)
