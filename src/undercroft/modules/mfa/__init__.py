"""The second step of signing in: codes of an authenticator app, passkeys, recovery codes, and proving oneself anew."""

from undercroft.modules.mfa.errors import InvalidCode, MfaTokenInvalid
from undercroft.modules.mfa.forms import (
    LONGEST_PASSKEY,
    enter_by_passkey,
    finish_in_browser,
    finish_sign_in,
    passkey_alone_of,
    second_step_of,
)
from undercroft.modules.mfa.reset import reset, reset_by_email

REQUIRES = ("users", "teams", "auth")

__all__ = [
    "LONGEST_PASSKEY",
    "REQUIRES",
    "InvalidCode",
    "MfaTokenInvalid",
    "enter_by_passkey",
    "finish_in_browser",
    "finish_sign_in",
    "passkey_alone_of",
    "reset",
    "reset_by_email",
    "second_step_of",
]
