"""Browser pages to register, sign in and sign out. Only the passkey forms need JavaScript."""

REQUIRES = ("teams", "auth", "mfa", "identities")
