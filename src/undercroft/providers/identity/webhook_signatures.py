"""Webhook signatures of svix and Standard Webhooks: HMAC-SHA-256 over `id.timestamp.body`."""

import hashlib
import hmac
import time
from base64 import b64decode, b64encode
from collections.abc import Mapping

from undercroft.core.security.tokens import constant_time_compare
from undercroft.providers.identity.errors import BadSignature

TOLERANCE_SECONDS = 300
"""Maximum difference between a webhook's timestamp and the current time in seconds."""


def verify_webhook(headers: Mapping[str, str], body: bytes, secret: str, *, prefix: str) -> tuple[str, float]:
    """Verify a webhook and return its ID and timestamp in Unix seconds; `prefix` is `svix` or `webhook`.

    A retry has the same ID with a new timestamp and signature. Raises `BadSignature`.
    """
    webhook_id, timestamp, signatures = (
        headers.get(f"{prefix}-{name}", "") for name in ("id", "timestamp", "signature")
    )
    if not (webhook_id and len(webhook_id) <= 256 and timestamp.isascii() and timestamp.isdigit()):
        raise BadSignature
    if len(timestamp) >= 16:
        raise BadSignature
    digest = hmac.new(_key(secret), f"{webhook_id}.{timestamp}.".encode() + body, hashlib.sha256).digest()
    expected = f"v1,{b64encode(digest).decode()}"
    if not any(constant_time_compare(expected, each) for each in signatures.split(" ")[:10]):
        raise BadSignature
    if abs(time.time() - int(timestamp)) > TOLERANCE_SECONDS:
        raise BadSignature
    return webhook_id, float(timestamp)


def _key(secret: str) -> bytes:
    """Decode `v1,whsec_…` (Supabase), `whsec_…` (svix) or bare base64. Raises `BadSignature` if there is no key."""
    encoded = secret.removeprefix("v1,").removeprefix("whsec_")
    try:
        key = b64decode(encoded, validate=True)
    except ValueError:
        raise BadSignature from None
    if not key:
        raise BadSignature
    return key
