"""Two-factor authentication: authenticator apps, passkeys, recovery codes and step-up authentication."""

from undercroft.core import Module
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid
from undercroft.modules.mfa.models import Factor
from undercroft.modules.mfa.schemas import Assertion, MfaCredential, normalize_code
from undercroft.modules.mfa.service.factors import reset_by_email
from undercroft.modules.mfa.service.second_factor import SECOND_FACTOR_FAILURES, SecondFactorService

MODULE = Module(requires=("users", "teams", "sessions", "auth"), optional=True)

__all__ = [
    "MODULE",
    "SECOND_FACTOR_FAILURES",
    "Assertion",
    "Factor",
    "InvalidCode",
    "InvalidPasskey",
    "MfaCredential",
    "MfaTokenInvalid",
    "SecondFactorService",
    "normalize_code",
    "reset_by_email",
]
