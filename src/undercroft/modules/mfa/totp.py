"""Codes of authenticator apps (TOTP, RFC 6238): six digits, SHA-1, a step of 30 seconds, one step of tolerance."""

import time
from base64 import b64encode
from io import BytesIO
from uuid import UUID

from undercroft.core.security.keyring import Keyring, keyring
from undercroft.core.security.tokens import constant_time_compare
from undercroft.core.settings import CoreSettings, load

STEP_SECONDS = 30
TOLERANCE = 1
PURPOSE = "totp secrets"


def new_secret() -> str:
    """160 random bits in base32 (RFC 4226, 4 recommends as many)."""
    from pyotp import random_base32

    return random_base32(32)


def find_step(secret: str, code: str, *, now: float | None = None) -> int | None:
    """The step that this is the code of, among the one now and its neighbours; None when it is none's."""
    from pyotp import HOTP

    current = int(time.time() if now is None else now) // STEP_SECONDS
    codes = HOTP(secret)
    steps = range(current - TOLERANCE, current + TOLERANCE + 1)
    fitting = [step for step in steps if constant_time_compare(codes.at(step), code)]
    return max(fitting, default=None)


def provisioning_uri(secret: str, account: str) -> str:
    """What an app reads from the QR code (`otpauth://totp/…`)."""
    from pyotp import TOTP

    return TOTP(secret).provisioning_uri(name=account, issuer_name=load(CoreSettings).app_name)


def qr_code(content: str) -> str:
    """A QR code of the content as a `data:` address of an SVG."""
    import segno

    svg = BytesIO()
    segno.make(content, error="m").save(svg, kind="svg", scale=4, xmldecl=False, svgns=True)
    return f"data:image/svg+xml;base64,{b64encode(svg.getvalue()).decode()}"


class Secrets:
    """Secrets at rest, bound to the person that they are of."""

    def __init__(self) -> None:
        self._keyring: Keyring = keyring(PURPOSE)

    def seal(self, user_id: UUID, secret: str) -> bytes:
        return self._keyring.encrypt(secret.encode(), context=f"totp {user_id}")

    def open(self, user_id: UUID, sealed: bytes) -> str:
        """Raises `DecryptionError`."""
        return self._keyring.decrypt(sealed, context=f"totp {user_id}").decode()

    def is_current(self, sealed: bytes) -> bool:
        return self._keyring.is_current(sealed)
