"""Opaque tokens: made here, kept only as their hash, compared in constant time."""

import hashlib
import hmac
import secrets

TOKEN_BYTES = 32


def new_token() -> str:
    """256 random bits in URL-safe base64 without padding (43 characters)."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """SHA-256 of a token, which is what is stored. For random tokens only: passwords need `passwords.hash`."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def sign(key: bytes, *parts: str) -> str:
    """HMAC-SHA-256 (RFC 2104) over the parts, in hex. No two different lists of parts are the same message."""
    message = b"".join(len(part.encode()).to_bytes(4) + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def equal(left: str | bytes, right: str | bytes) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
