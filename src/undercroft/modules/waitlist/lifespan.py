"""Tells new users on the registration page that they have to wait."""

from undercroft.core.context import AppContext
from undercroft.core.settings import load
from undercroft.modules.auth import RegistrationNotice
from undercroft.modules.system_settings import SignUpPolicy, SignUpSettings

NOTICE = (
    "New users have to wait for an account. Register to join the waiting list. You choose a password when it is your "
    "turn."
)


async def start(context: AppContext) -> None:
    context.add(RegistrationNotice, RegistrationNotice(read_notice, without_password=True))


def read_notice() -> str:
    return NOTICE if load(SignUpSettings).sign_up_policy is SignUpPolicy.WAITLIST else ""
