"""The device that sends a request, recognized by the device cookie.

The cookie contains a random handle and the accounts that signed in on the device, encrypted under SECRET_KEY. It grants
no access. It has two uses. An emailed link applies the requester's input only on the requesting device, because the
address may belong to another person. And known devices of an account have a separate sign-in limit, so that password
guessing by others does not lock out the owner (OWASP, device cookies).
"""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from datetime import timedelta
from uuid import UUID

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from undercroft.core.security.keyring import DecryptionError, keyring
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.modules.auth.cookies import is_secure

COOKIE_MAX_AGE = timedelta(days=400)
"""The longest that browsers store a cookie (RFC 6265bis, 5.5)."""
MAX_ACCOUNTS = 5
PURPOSE = "device cookies"


class Device(msgspec.Struct, frozen=True):
    """A device and the accounts that signed in on it.

    `accounts` lists them, most recent first: the hash of the email address, and the ID of the last session that was
    started on the device. `is_new`: the request had no device cookie.
    """

    handle: str = msgspec.field(default_factory=new_token)
    accounts: tuple[str, ...] = ()
    is_new: bool = True

    def __repr__(self) -> str:
        return f"<Device of {len(self.accounts)}>"

    @property
    def handle_hash(self) -> bytes:
        """The hash that is stored with requests from this device."""
        return hash_token(self.handle)

    def has_account(self, email: str) -> bool:
        """Whether the account with this email address has signed in on this device."""
        return any(_parse_account_hash(known) == _account_hash(email) for known in self.accounts)

    def last_session_id(self, email: str) -> UUID | None:
        """Return the last session of the account on this device; None if only an emailed link was opened here."""
        sessions = [
            known.partition(".")[2] for known in self.accounts if _parse_account_hash(known) == _account_hash(email)
        ]
        return UUID(sessions[0]) if sessions and sessions[0] else None

    @property
    def latest_account(self) -> str | None:
        """The hash of the account that signed in most recently."""
        return _parse_account_hash(self.accounts[0]) if self.accounts else None

    def with_account(self, email: str, session_id: UUID | None = None) -> "Device":
        """Return a copy with this account as the most recent one, and its session if given."""
        account = _account_hash(email)
        others = [known for known in self.accounts if _parse_account_hash(known) != account]
        latest = account if session_id is None else f"{account}.{session_id.hex}"
        return Device(self.handle, (latest, *others)[:MAX_ACCOUNTS])


def read_device(request: Request) -> Device:
    """Return the device in the request's cookie; a new one if the cookie is missing or invalid."""
    name = device_cookie_name()
    try:
        sealed = urlsafe_b64decode(request.cookies.get(name, ""))
        device = msgspec.json.decode(keyring(PURPOSE).decrypt(sealed, context=name), type=Device)
    except (ValueError, DecryptionError, msgspec.MsgspecError):
        return Device()
    return Device(device.handle, device.accounts, is_new=False)


def encrypt_device(device: Device) -> str:
    """Return the encrypted cookie value."""
    sealed = keyring(PURPOSE).encrypt(msgspec.json.encode(device), context=device_cookie_name())
    return urlsafe_b64encode(sealed).decode()


def set_device_cookie(response: Response, device: Device) -> None:
    response.set_cookie(
        device_cookie_name(),
        encrypt_device(device),
        max_age=int(COOKIE_MAX_AGE.total_seconds()),
        path="/",
        secure=is_secure(),
        httponly=True,
        samesite="lax",
    )


def device_cookie_name() -> str:
    """The cookie name. With `__Host-`, other hosts of the domain cannot set the cookie (RFC 6265bis)."""
    return "__Host-uc_device" if is_secure() else "uc_device"


def _account_hash(email: str) -> str:
    return hash_token(email).hex()[:32]


def _parse_account_hash(known: str) -> str:
    return known.partition(".")[0]
