"""The client of a request: IP address, user agent and device."""

from typing import Annotated, Any

from fastapi import Depends, Request
from msgspec import Struct, field

from undercroft.core.http.user_agents import describe_user_agent
from undercroft.modules.auth.device import Device, read_device
from undercroft.modules.auth.models import USER_AGENT_LENGTH

IP_LENGTH = 45


class Client(Struct, frozen=True):
    """The IP address (resolved through trusted proxies), user agent and device of a request."""

    ip: str
    user_agent: str
    device: Device = field(default_factory=Device)

    def request_columns(self) -> dict[str, Any]:
        """Return values for the columns of `models.RequestOriginMixin`."""
        return {"handle_hash": self.device.handle_hash, "ip": self.ip, "user_agent": self.user_agent}


async def current_client(request: Request) -> Client:
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Client(client_ip(request), agent[:USER_AGENT_LENGTH], read_device(request))


def client_ip(request: Request) -> str:
    """Return the client's IP address; empty for a Unix socket."""
    client = request.scope.get("client")
    return client[0][:IP_LENGTH] if client else ""


CurrentClient = Annotated[Client, Depends(current_client)]


def device_name(user_agent: str) -> str:
    """Return a display name: `Firefox on Linux`, the product of other user agents, or `Unknown device`."""
    return describe_user_agent(user_agent) or user_agent.partition("/")[0].strip()[:60] or "Unknown device"
