"""Opaque tokens: generated here, stored only as a hash, compared in constant time."""

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
    """SHA-256 of a token, for storage. For random tokens only: passwords need `passwords.hash`."""
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()


def sign(key: bytes, *parts: str) -> str:
    """HMAC-SHA-256 (RFC 2104) of the parts, in hex. Different lists of parts never encode to the same message."""
    return _mac(key, parts).hex()


def derive_token(key: bytes, *parts: str) -> str:
    """A token in the format of `new_token`, deterministic for these parts. It cannot be predicted without the key."""
    return encode_base64url(_mac(key, parts))


def encode_base64url(data: bytes) -> str:
    """URL-safe base64 without padding (RFC 7515, section 2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def constant_time_compare(left: str | bytes, right: str | bytes) -> bool:
    """Whether two secrets are equal, compared in constant time."""
    return hmac.compare_digest(_bytes(left), _bytes(right))


def _mac(key: bytes, parts: Sequence[str]) -> bytes:
    encoded = [part.encode("utf-8", "surrogatepass") for part in parts]
    message = b"".join(len(part).to_bytes(4) + part for part in encoded)
    return hmac.new(key, message, hashlib.sha256).digest()


def _bytes(value: str | bytes) -> bytes:
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
