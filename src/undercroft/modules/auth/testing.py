"""Exemptions from tests of tenant isolation."""

SHARED_IDS = {"client_id": "the OAuth 2.0 client that requests a token"}
