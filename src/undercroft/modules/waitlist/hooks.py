"""Defers sign-ups while there is a waiting list, and lets invited users sign up."""

from msgspec.structs import replace

from undercroft.core.db import Session
from undercroft.core.hooks import before
from undercroft.modules.system_settings import SignUpPolicy, read_sign_up_settings
from undercroft.modules.users import SignUp, SignUpWaitlisted
from undercroft.modules.waitlist.repository import WaitlistRepository
from undercroft.modules.waitlist.service import WaitlistService


@before(SignUp, order=-100)
async def admit_invited(session: Session, sign_up: SignUp) -> SignUp | None:
    """Mark the owner of an invited address as invited, before policies decide.

    The address must be verified: the response to a registration would otherwise reveal who is invited.
    """
    if sign_up.is_invited or not sign_up.email_verified:
        return None
    if await WaitlistRepository(session).lock_invited(sign_up.email) is None:
        return None
    return replace(sign_up, is_invited=True)


@before(SignUp, order=100)
async def join_waitlist(session: Session, sign_up: SignUp) -> SignUp | None:
    """Add the address to the waiting list, if the other hooks accept it. Raises `SignUpWaitlisted`."""
    settings = await read_sign_up_settings(session)
    if settings.sign_up_policy is SignUpPolicy.WAITLIST and not sign_up.is_invited:
        await WaitlistService(session).join(sign_up.email)
        raise SignUpWaitlisted
    return None
