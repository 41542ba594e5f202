"""The client of a request: IP address, user agent and device.

A device is recognized by its cookie, which contains a random handle and the accounts that signed in on the device. It
grants no access. It has two uses. An emailed link applies the requester's input only on the requesting device, because
the address may belong to another person. And known devices of an account have a separate sign-in limit, so that
password guessing by others does not lock out the owner (OWASP, device cookies).
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from fastapi.requests import HTTPConnection
from msgspec import Struct, field
from starlette.responses import Response

from undercroft.core.http.user_agents import describe_user_agent
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.modules.sessions.models import USER_AGENT_LENGTH
from undercroft.modules.sessions.service.cookies import EncryptedCookie

IP_LENGTH = 45
DEVICE_LIFETIME = timedelta(days=400)
"""The longest that browsers store a cookie (RFC 6265bis, 5.5)."""
MAX_ACCOUNTS = 5


class Device(Struct, frozen=True):
    """A device and the accounts that signed in on it.

    `accounts` lists them, most recent first: the hash of the email address, and the ID of the last session that was
    started on the device. `is_new`: the request had no device cookie.
    """

    handle: str = field(default_factory=new_token)
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

    def set_cookie(self, response: Response) -> None:
        DEVICE_COOKIE.set(response, DEVICE_COOKIE.encrypt(self), lifetime=DEVICE_LIFETIME)


DEVICE_COOKIE = EncryptedCookie("uc_device", Device, purpose="device cookies")


def read_device(request: HTTPConnection) -> Device:
    """Return the device in the request's cookie; a new one if the cookie is missing or invalid."""
    device = DEVICE_COOKIE.read(request)
    return Device() if device is None else Device(device.handle, device.accounts, is_new=False)


class Client(Struct, frozen=True):
    """The IP address (resolved through trusted proxies), user agent and device of a request."""

    ip: str
    user_agent: str
    device: Device = field(default_factory=Device)

    def request_columns(self) -> dict[str, Any]:
        """Return values for the columns of `models.RequestOriginMixin`."""
        return {"handle_hash": self.device.handle_hash, "ip": self.ip, "user_agent": self.user_agent}


def client_ip(request: HTTPConnection) -> str:
    """Return the client's IP address; empty for a Unix socket."""
    client = request.scope.get("client")
    return client[0][:IP_LENGTH] if client else ""


def device_name(user_agent: str) -> str:
    """Return a display name: `Firefox on Linux`, the product of other user agents, or `Unknown device`."""
    return describe_user_agent(user_agent) or user_agent.partition("/")[0].strip()[:60] or "Unknown device"


async def current_client(request: HTTPConnection) -> Client:
    """Return the client of a request."""
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Client(client_ip(request), agent[:USER_AGENT_LENGTH], read_device(request))


def _account_hash(email: str) -> str:
    return hash_token(email).hex()[:32]


def _parse_account_hash(known: str) -> str:
    return known.partition(".")[0]
