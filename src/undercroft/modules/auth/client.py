"""Where a request comes from, as the outermost layers saw it."""

from typing import Annotated, Any

from fastapi import Depends, Request
from msgspec import Struct, field

from undercroft.core.http.user_agents import describe_user_agent
from undercroft.modules.auth.device import Device, read_device
from undercroft.modules.auth.models import USER_AGENT_LENGTH

IP_LENGTH = 45


class Client(Struct, frozen=True):
    """The address (behind trusted proxies), the program, and the device that the request came from."""

    ip: str
    user_agent: str
    device: Device = field(default_factory=Device)

    def request_columns(self) -> dict[str, Any]:
        """The columns of `models.Requested`."""
        return {"handle_hash": self.device.handle_hash, "ip": self.ip, "user_agent": self.user_agent}


async def current_client(request: Request) -> Client:
    agent = "".join(filter(str.isprintable, request.headers.get("user-agent", "")))
    return Client(client_ip(request), agent[:USER_AGENT_LENGTH], read_device(request))


def client_ip(request: Request) -> str:
    """The client's address as text; empty where there is none (a Unix socket)."""
    client = request.scope.get("client")
    return client[0][:IP_LENGTH] if client else ""


CurrentClient = Annotated[Client, Depends(current_client)]


def device_name(user_agent: str) -> str:
    """A few words for people: `Firefox on Linux`, the program's own name for others, `Unknown device` for none."""
    return describe_user_agent(user_agent) or user_agent.partition("/")[0].strip()[:60] or "Unknown device"
