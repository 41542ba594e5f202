"""The pages for browsers: sign-in, registration, second factor, invitations, emailed links and the welcome page.

Only the passkey forms need JavaScript.
"""

from undercroft.core import Module
from undercroft.modules.web.service.sign_in import PasskeyForm, SecondFactorForm, SignInForm, SignInPages

MODULE = Module(requires=("users", "teams", "sessions", "auth", "mfa", "identities"), optional=True)

__all__ = ["MODULE", "PasskeyForm", "SecondFactorForm", "SignInForm", "SignInPages"]
