"""Codes of authenticator apps, and recovery codes for users who have lost their authenticator.

An authenticator app uses TOTP (RFC 6238): six digits, SHA-1, a step of 30 seconds, one step of tolerance.
"""

import secrets
import time
import unicodedata
from base64 import b64encode
from io import BytesIO
from uuid import UUID

from undercroft.core.security.keyring import Keyring, keyring
from undercroft.core.security.tokens import constant_time_compare, hash_token
from undercroft.core.settings import CoreSettings, load

STEP_SECONDS = 30
TOLERANCE = 1
PURPOSE = "totp secrets"
RECOVERY_CODE_COUNT = 10
ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
GROUP_COUNT, GROUP_SIZE = 4, 4


def generate_secret() -> str:
    """Generate a secret of 160 random bits in Base32, the length that RFC 4226, section 4, recommends."""
    from pyotp import random_base32

    return random_base32(32)


def find_step(secret: str, code: str, *, now: float | None = None) -> int | None:
    """Return the time step of this code, among the current step and its neighbors; None if none matches."""
    from pyotp import HOTP

    current = int(time.time() if now is None else now) // STEP_SECONDS
    codes = HOTP(secret)
    steps = range(current - TOLERANCE, current + TOLERANCE + 1)
    matching = [step for step in steps if constant_time_compare(codes.at(step), code)]
    return max(matching, default=None)


def provisioning_uri(secret: str, account: str) -> str:
    from pyotp import TOTP

    return TOTP(secret).provisioning_uri(name=account, issuer_name=load(CoreSettings).app_name)


def qr_code(content: str) -> str:
    import segno

    svg = BytesIO()
    segno.make(content, error="m").save(svg, kind="svg", scale=4, xmldecl=False, svgns=True)
    return f"data:image/svg+xml;base64,{b64encode(svg.getvalue()).decode()}"


class TotpSecrets:
    """Encrypts TOTP secrets at rest. A ciphertext is bound to its user."""

    def __init__(self) -> None:
        self._keyring: Keyring = keyring(PURPOSE)

    def seal(self, user_id: UUID, secret: str) -> bytes:
        return self._keyring.encrypt(secret.encode(), context=f"totp {user_id}")

    def open(self, user_id: UUID, sealed: bytes) -> str:
        """Decrypt a secret. Raises `DecryptionError`."""
        return self._keyring.decrypt(sealed, context=f"totp {user_id}").decode()

    def is_current(self, sealed: bytes) -> bool:
        return self._keyring.is_current(sealed)


def generate_recovery_codes() -> list[str]:
    """Generate ten codes like `k7fp-2mxq-…` with 79 random bits each, without easily confused characters."""
    return [
        "-".join("".join(secrets.choice(ALPHABET) for _ in range(GROUP_SIZE)) for _ in range(GROUP_COUNT))
        for _ in range(RECOVERY_CODE_COUNT)
    ]


def hash_recovery_code(user_id: UUID, code: str) -> bytes:
    """Return the hash under which a user's code is stored. Case, spaces and separators are ignored."""
    normalized = unicodedata.normalize("NFKC", code).lower()
    return hash_token(f"{user_id} {''.join(filter(str.isalnum, normalized))}")
