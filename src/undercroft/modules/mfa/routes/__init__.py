"""Two-step sign-in, passkeys, stepping up, and the way out for those who lost everything."""

from undercroft.modules.mfa.routes.admin import admin
from undercroft.modules.mfa.routes.factors import mfa
from undercroft.modules.mfa.routes.passkeys import passkeys
from undercroft.modules.mfa.routes.sign_in import second_factor, step_up

__all__ = ["admin", "mfa", "passkeys", "second_factor", "step_up"]
