"""Routes of two-factor authentication, passkeys, step-up authentication and the reset by a superadmin."""

from undercroft.modules.mfa.routes.factors import admin, mfa, passkeys
from undercroft.modules.mfa.routes.sign_in import second_factor, step_up

__all__ = ["admin", "mfa", "passkeys", "second_factor", "step_up"]
