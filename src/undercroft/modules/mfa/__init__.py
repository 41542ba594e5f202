"""Two-factor authentication: authenticator apps, passkeys, recovery codes and step-up authentication."""

from undercroft.core import Module
from undercroft.modules.mfa.errors import InvalidCode, MfaTokenInvalid
from undercroft.modules.mfa.forms import (
    MAX_PASSKEY_LENGTH,
    authenticate_with_passkey,
    finish_in_browser,
    finish_sign_in,
    passkey_sign_in_context,
    second_factor_context,
)
from undercroft.modules.mfa.reset import reset, reset_by_email

MODULE = Module(requires=("users", "teams", "auth"))

__all__ = [
    "MAX_PASSKEY_LENGTH",
    "MODULE",
    "InvalidCode",
    "MfaTokenInvalid",
    "authenticate_with_passkey",
    "finish_in_browser",
    "finish_sign_in",
    "passkey_sign_in_context",
    "reset",
    "reset_by_email",
    "second_factor_context",
]
