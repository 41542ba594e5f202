"""Pages on which people sign in and out in a browser, without a script except where a passkey is asked for."""

REQUIRES = ("teams", "auth", "mfa", "identities")
