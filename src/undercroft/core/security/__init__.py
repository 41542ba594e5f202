"""Secrets: tokens, encryption under SECRET_KEY, password hashing off the event loop."""
