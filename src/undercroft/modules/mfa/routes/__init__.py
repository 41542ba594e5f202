"""Two-step sign-in, passkeys, stepping up, and the way out for those who lost everything."""

from undercroft.modules.mfa.routes.administration import administration
from undercroft.modules.mfa.routes.factors import mfa
from undercroft.modules.mfa.routes.passkeys import passkeys
from undercroft.modules.mfa.routes.signing_in import second_step, step_up

__all__ = ["administration", "mfa", "passkeys", "second_step", "step_up"]
