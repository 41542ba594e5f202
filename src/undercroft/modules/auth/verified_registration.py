"""Accounts for those who have proven their address, by whatever link or provider it was."""

from undercroft.core.db import Session
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.outbox import request_mail
from undercroft.modules.auth.repository import MailTokenRepository, RegistrationRepository
from undercroft.modules.users import NewUser, User, UserRepository, UserService


async def register_verified(session: Session, new: NewUser) -> User:
    """Make the account and welcome its owner; registrations of the address that wait for proof are void.

    Raises `EmailTaken`.
    """
    await UserRepository(session).reserve_email(new.email)
    registrations = await RegistrationRepository(session).delete_all(new.email)
    user = await UserService(session).create(new)
    await MailTokenRepository(session).reassign(registrations, user.id)
    await request_mail(session, MailPurpose.WELCOME, user.email, user_id=user.id, full_name=user.full_name)
    return user
