"""Pages on which people sign in and out in a browser, without a script."""

REQUIRES = ("auth", "mfa", "identities")
