"""How many there are of everything, for administrators."""

REQUIRES = ("users", "teams", "api_keys", "auth")
