"""Browser pages to register, sign in and sign out. Only the passkey forms need JavaScript."""

from undercroft.core.modules import Module

MODULE = Module(requires=("teams", "auth", "mfa", "identities"))
