"""Opaque tokens: made here, kept only as their hash, compared in constant time."""

import base64
import hashlib
import hmac
import secrets
from collections.abc import Sequence

TOKEN_BYTES = 32


def new_token() -> str:
    """256 random bits in URL-safe base64 without padding (43 characters)."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def hash_token(token: str) -> bytes:
    """SHA-256 of a token, which is what is stored. For random tokens only: passwords need `passwords.hash`."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def sign(key: bytes, *parts: str) -> str:
    """HMAC-SHA-256 (RFC 2104) over the parts, in hex. No two different lists of parts are the same message."""
    return _mac(key, parts).hex()


def derive_token(key: bytes, *parts: str) -> str:
    """A token like `new_token` makes, always the same for these parts; without the key nobody can tell or make it."""
    return base64.urlsafe_b64encode(_mac(key, parts)).rstrip(b"=").decode()


def constant_time_compare(left: str | bytes, right: str | bytes) -> bool:
    """Whether two secrets are the same, in a time that does not tell where they differ."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _mac(key: bytes, parts: Sequence[str]) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(4) + part for part in encoded)
    return hmac.new(key, message, hashlib.sha256).digest()


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
