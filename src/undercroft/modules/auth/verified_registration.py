"""Creates accounts with an address that a link or provider has verified."""

from undercroft.core.db import Session
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.outbox import request_mail
from undercroft.modules.auth.repository import MailTokenRepository, RegistrationRepository
from undercroft.modules.users import NewUser, User, UserRepository, UserService


async def register_verified(session: Session, new: NewUser) -> User:
    """Create the account and send the welcome email. Pending registrations of the address are deleted.

    Raises `EmailTaken`.
    """
    await UserRepository(session).reserve_email(new.email)
    registrations = await RegistrationRepository(session).delete_all(new.email)
    user = await UserService(session).create(new)
    await MailTokenRepository(session).reassign(registrations, user.id)
    await request_mail(session, MailPurpose.WELCOME, user.email, user_id=user.id, full_name=user.full_name)
    return user
