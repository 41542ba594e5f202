"""Accounts with a password: registration, email verification, sign-in, reset, magic links, and their limits.

It has more than 2,000 lines because all ways to sign in share the limits, the emailed links and the rule that a
response never reveals an account.
"""

from undercroft.core import Module
from undercroft.modules.auth.dependencies import (
    AuthServicesDep,
    MagicLinkServiceDep,
    PasswordServiceDep,
    RegistrationServiceDep,
)
from undercroft.modules.auth.errors import (
    AlreadyVerified,
    ConfirmationNeedsSession,
    DisposableEmail,
    InvalidCredentials,
    LinkOfAnotherDevice,
    TooManyAttempts,
    WrongPassword,
)
from undercroft.modules.auth.schemas import LINK_SENT_MESSAGE, Password, security_schemes
from undercroft.modules.auth.service.account import AccountCommandService, confirm_email_change
from undercroft.modules.auth.service.disposable_email import require_permanent_email
from undercroft.modules.auth.service.emails import LinkPage, create_sign_up_link, page_url
from undercroft.modules.auth.service.registration import RegistrationNotice
from undercroft.modules.auth.service.sign_in import AuthServices, require_captcha
from undercroft.modules.auth.service.throttle import PASSWORD_FAILURES
from undercroft.modules.auth.settings import AuthSettings

MODULE = Module(requires=("users", "teams", "sessions"), security_schemes=security_schemes)

__all__ = [
    "LINK_SENT_MESSAGE",
    "MODULE",
    "PASSWORD_FAILURES",
    "AccountCommandService",
    "AlreadyVerified",
    "AuthServices",
    "AuthServicesDep",
    "AuthSettings",
    "ConfirmationNeedsSession",
    "DisposableEmail",
    "InvalidCredentials",
    "LinkOfAnotherDevice",
    "LinkPage",
    "MagicLinkServiceDep",
    "Password",
    "PasswordServiceDep",
    "RegistrationNotice",
    "RegistrationServiceDep",
    "TooManyAttempts",
    "WrongPassword",
    "confirm_email_change",
    "create_sign_up_link",
    "page_url",
    "require_captcha",
    "require_permanent_email",
]
