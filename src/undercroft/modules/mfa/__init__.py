"""The second step of signing in: codes of an authenticator app, passkeys, recovery codes, and proving oneself anew."""

from undercroft.modules.mfa.reset import reset, reset_by_email

REQUIRES = ("users", "teams", "auth")

__all__ = ["REQUIRES", "reset", "reset_by_email"]
