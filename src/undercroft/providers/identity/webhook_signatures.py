"""Signed webhooks as svix and Standard Webhooks send them: HMAC-SHA-256 over `id.timestamp.body`."""

import hashlib
import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping

from undercroft.core.security.tokens import constant_time_compare
from undercroft.providers.identity.errors import BadSignature

TOLERANCE_SECONDS = 300
"""Seconds that a webhook may be old, or ahead of our clock."""


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str, *, prefix: str) -> tuple[str, float]:
    """The webhook's id and when it was sent, in Unix seconds; `prefix` is `svix` or `webhook`. Raises `BadSignature`.

    The id is the same when it is sent again, with another time and signature.
    """
    name, moment, given = (headers.get(f"{prefix}-{part}", "") for part in ("id", "timestamp", "signature"))
    if not (name and len(name) <= 256 and moment.isascii() and moment.isdigit() and len(moment) < 16):
        raise BadSignature
    digest = hmac.new(_key(secret), f"{name}.{moment}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{b64encode(digest).decode()}"
    if not any(constant_time_compare(expected, each) for each in given.split(" ")[:10]):
        raise BadSignature
    if abs(time.time() - int(moment)) > TOLERANCE_SECONDS:
        raise BadSignature
    return name, float(moment)


def _key(secret: str) -> bytes:
    """`v1,whsec_…` (Supabase), `whsec_…` (svix) or the bare base64. Raises `BadSignature` when there is none."""
    encoded = secret.removeprefix("v1,").removeprefix("whsec_")
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        raise BadSignature from None
    if not key:
        raise BadSignature
    return key
