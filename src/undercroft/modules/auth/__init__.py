"""Signing in and staying signed in: accounts, sessions, tokens, and the keys that sign them."""

REQUIRES = ("users", "teams", "api_keys")
