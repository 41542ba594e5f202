"""The browser or program that sends a request, recognized by a cookie of its own.

The cookie has a random handle and the accounts that signed in with it, sealed under SECRET_KEY; it grants no access.
Two things depend on it. A link that is mailed on request carries out what its requester typed only on the requesting
device, because the address may be another person's. And an account's known devices have a sign-in limit of their own,
so that strangers who guess passwords do not lock its owner out (OWASP, device cookies).
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
    """`accounts` are the accounts that signed in on this device, the latest first: a hash of the address, and the id of
    the session that began here last. `is_new`: the request carried no cookie of ours.
    """

    handle: str = msgspec.field(default_factory=new_token)
    accounts: tuple[str, ...] = ()
    is_new: bool = True

    def __repr__(self) -> str:
        return f"<Device of {len(self.accounts)}>"

    @property
    def handle_hash(self) -> bytes:
        """What is stored with a request that this device makes."""
        return hash_token(self.handle)

    def has_account(self, email: str) -> bool:
        """Whether the account with this address signed in on this device before."""
        return any(_parse_account_hash(known) == _account_hash(email) for known in self.accounts)

    def last_session_id(self, email: str) -> UUID | None:
        """The session of this account that began on this device last; None where only its mailbox was verified here."""
        sessions = [
            known.partition(".")[2] for known in self.accounts if _parse_account_hash(known) == _account_hash(email)
        ]
        return UUID(sessions[0]) if sessions and sessions[0] else None

    @property
    def latest_account(self) -> str | None:
        """The hash of the account that signed in last."""
        return _parse_account_hash(self.accounts[0]) if self.accounts else None

    def with_account(self, email: str, session_id: UUID | None = None) -> "Device":
        """The same device after this account signed in on it, by this session if there is one."""
        account = _account_hash(email)
        others = [known for known in self.accounts if _parse_account_hash(known) != account]
        latest = account if session_id is None else f"{account}.{session_id.hex}"
        return Device(self.handle, (latest, *others)[:MAX_ACCOUNTS])


def read_device(request: Request) -> Device:
    """The device that the request's cookie names; a new one where there is none or it cannot be read."""
    name = device_cookie_name()
    try:
        sealed = urlsafe_b64decode(request.cookies.get(name, ""))
        device = msgspec.json.decode(keyring(PURPOSE).decrypt(sealed, context=name), type=Device)
    except (ValueError, DecryptionError, msgspec.MsgspecError):
        return Device()
    return Device(device.handle, device.accounts, is_new=False)


def encrypt_device(device: Device) -> str:
    """The value of the cookie."""
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
    """`__Host-` keeps other hosts of the domain from planting a device of theirs (RFC 6265bis)."""
    return "__Host-uc_device" if is_secure() else "uc_device"


def _account_hash(email: str) -> str:
    return hash_token(email).hex()[:32]


def _parse_account_hash(known: str) -> str:
    return known.partition(".")[0]
