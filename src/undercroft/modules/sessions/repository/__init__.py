"""Queries of sessions, refresh tokens, signing keys and principals."""
