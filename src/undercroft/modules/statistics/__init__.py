"""Platform statistics for administrators."""

REQUIRES = ("users", "teams", "api_keys", "auth")
