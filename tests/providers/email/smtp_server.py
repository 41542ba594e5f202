"""An SMTP server in a thread that can be configured to misbehave."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword


@dataclass
class SmtpHandler:
    """Accepts emails. `replies` overrides the replies to `MAIL`, `RCPT <address>` or `DATA`."""

    received: list[Any] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    connections: int = 0
    hang: asyncio.Event | None = None
    dropped_connections: int = 0

    async def handle_EHLO(self, server, session, envelope, hostname, responses):  # noqa: N802
        if not session.host_name:
            self.connections += 1
        session.host_name = hostname
        return responses

    async def handle_MAIL(self, server, session, envelope, address, options):  # noqa: N802
        if "MAIL" in self.replies:
            return self.replies["MAIL"]
        envelope.mail_from = address
        envelope.mail_options.extend(options)
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if f"RCPT {address}" in self.replies:
            return self.replies[f"RCPT {address}"]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        if self.hang is not None:
            await self.hang.wait()
        if self.dropped_connections:
            self.dropped_connections -= 1
            server.transport.abort()
            return "421 gone"
        if "DATA" in self.replies:
            return self.replies["DATA"]
        self.received.append(envelope)
        return "250 taken"


def accept_only(username: str, password: str):
    def check(server, session, envelope, mechanism, data):
        right = isinstance(data, LoginPassword) and (data.login, data.password) == (
            username.encode(),
            password.encode(),
        )
        return AuthResult(success=right, handled=False)

    return check


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextmanager
def smtp_server(handler: SmtpHandler, *, ssl_context: ssl.SSLContext | None = None, **options: Any) -> Iterator[int]:
    """Run a server on a free loopback port; with `ssl_context` it uses implicit TLS."""
    port = free_port()
    controller = Controller(
        handler, hostname="127.0.0.1", port=port, ssl_context=ssl_context, server_hostname="mail.test", **options
    )
    controller.start()
    try:
        yield port
    finally:
        if handler.hang is not None:
            controller.loop.call_soon_threadsafe(handler.hang.set)
        controller.stop()
