"""Tokens, encryption with SECRET_KEY, and password hashing off the event loop."""
