"""The second step of signing in: codes of an authenticator app, passkeys, recovery codes, and proving oneself anew."""

from undercroft.modules.mfa.errors import InvalidCode, MfaTokenInvalid
from undercroft.modules.mfa.reset import reset, reset_by_email
from undercroft.modules.mfa.schemas import Proof
from undercroft.modules.mfa.second_step import SecondStep

REQUIRES = ("users", "teams", "auth")

__all__ = ["REQUIRES", "InvalidCode", "MfaTokenInvalid", "Proof", "SecondStep", "reset", "reset_by_email"]
