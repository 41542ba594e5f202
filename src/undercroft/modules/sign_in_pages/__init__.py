"""Browser pages to register, sign in and sign out. Only the passkey forms need JavaScript."""

from undercroft.core import Module

MODULE = Module(requires=("teams", "auth", "mfa", "identities"))
