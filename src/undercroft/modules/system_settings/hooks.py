"""Decides who can sign up. It knows only the address, so a rejection reveals nothing about accounts."""

from undercroft.core.db import Session
from undercroft.core.hooks import before
from undercroft.modules.system_settings.errors import SignUpByInvitation, SignUpDomainNotAllowed, SubaddressNotAllowed
from undercroft.modules.system_settings.service.sign_up import read_sign_up_settings
from undercroft.modules.system_settings.settings import SignUpPolicy, SignUpSettings, SubaddressRule
from undercroft.modules.users import SignUp


@before(SignUp)
async def apply_policy(session: Session, sign_up: SignUp) -> SignUp | None:
    """Raises `SignUpByInvitation`, `SignUpDomainNotAllowed`, `SubaddressNotAllowed`."""
    settings: SignUpSettings = await read_sign_up_settings(session)
    local_part, _, domain = sign_up.email.rpartition("@")
    if settings.sign_up_policy is SignUpPolicy.INVITE and not sign_up.is_invited:
        raise SignUpByInvitation
    if settings.sign_up_policy is SignUpPolicy.DOMAINS and domain.lower() not in settings.sign_up_domains:
        raise SignUpDomainNotAllowed
    if settings.sign_up_subaddresses is SubaddressRule.REFUSE and "+" in local_part:
        raise SubaddressNotAllowed
    return None
