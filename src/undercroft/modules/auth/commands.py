"""Account commands of the CLI. Each runs in one transaction and is audited without an actor."""

from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.core.security import passwords
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.outbox import request_mail
from undercroft.modules.auth.recovery import revoke_access
from undercroft.modules.users import NewUser, UserNotFound, UserRepository, UserService


async def create_admin(database: Database, *, email: str, password: str | None, full_name: str) -> bool:
    """Create a superadmin, or promote an existing account without changing its password.

    Returns whether the account is new. Raises `WeakPassword`, and `UserNotFound` if there is neither an account nor a
    password to create one.
    """
    async with database.read_session() as read_session:
        known = await UserRepository(read_session).get_by_email(email)
    if known is not None:
        async with database.session() as session:
            await UserService(session).make_superadmin(known.id)
        return False
    if password is None:
        raise UserNotFound
    passwords.require_strong(password, email=email)
    password_hash = await passwords.hash(password, subject=email)
    new = NewUser(email=email, password_hash=password_hash, full_name=full_name, role=PlatformRole.SUPERADMIN)
    async with database.session() as session:
        await UserService(session).create(new)
    return True


async def set_password(database: Database, *, email: str, password: str) -> None:
    """Set a user's password and revoke all other access. Raises `UserNotFound`, `WeakPassword`."""
    passwords.require_strong(password, email=email)
    password_hash = await passwords.hash(password, subject=email)
    async with database.session() as session:
        user = await UserRepository(session).get_by_email(email)
        if user is None:
            raise UserNotFound(f"No account has the email address {email}.")
        revoked = await revoke_access(session, user.id)
        await UserService(session).set_password(
            user.id, password_hash, action="user.password_changed", actor_id=None, details=revoked
        )
        await request_mail(
            session, MailPurpose.PASSWORD_WAS_RESET, user.email, user_id=user.id, full_name=user.full_name
        )


async def user_exists(database: Database, email: str) -> bool:
    """Whether an account has this email address."""
    async with database.read_session() as session:
        return await UserRepository(session).get_by_email(email) is not None
