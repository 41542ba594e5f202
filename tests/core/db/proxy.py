"""A TCP proxy in front of PostgreSQL that drops connections at a chosen moment."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from urllib.parse import urlsplit, urlunsplit


class Cut(Enum):
    """What the proxy does with a message from the client that contains `Proxy.marker`."""

    NEVER = "it is forwarded"
    BEFORE_REQUEST = "it is not forwarded, and the connection ends"
    BEFORE_RESPONSE = "it is forwarded; the connection ends when the server has responded"
    SILENCE = "it is forwarded, but the server's response is not"


@dataclass
class Proxy:
    """Forwards to `server`; if that changes, new connections use it. `hits` counts the marked messages."""

    server: tuple[str, int]
    port: int = 0
    cut: Cut = Cut.NEVER
    marker: bytes = b"\0never\0"
    hits: int = 0
    connections: int = 0
    _open: set[asyncio.StreamWriter] = field(default_factory=set)

    def url(self, url: str) -> str:
        """This database URL through the proxy."""
        parts = urlsplit(url)
        credentials = parts.netloc.rpartition("@")[0]
        return urlunsplit(parts._replace(netloc=f"{credentials}@127.0.0.1:{self.port}"))

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            upstream, server = await asyncio.open_connection(*self.server)
        except OSError:
            writer.close()
            return
        self.connections += 1
        self._open |= {writer, server}
        lost, silent = asyncio.Event(), asyncio.Event()
        tasks = [
            asyncio.create_task(self._requests(reader, server, lost, silent)),
            asyncio.create_task(self._responses(upstream, writer, lost, silent)),
        ]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for each in (writer, server):
                each.close()
            self._open -= {writer, server}

    async def _requests(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, lost: asyncio.Event, silent: asyncio.Event
    ) -> None:
        while data := await reader.read(65536):
            if self.cut is not Cut.NEVER and self.marker in data:
                self.hits += 1
                if self.cut is Cut.BEFORE_REQUEST:
                    return
                (lost if self.cut is Cut.BEFORE_RESPONSE else silent).set()
            server.write(data)
            await server.drain()

    async def _responses(
        self, upstream: asyncio.StreamReader, writer: asyncio.StreamWriter, lost: asyncio.Event, silent: asyncio.Event
    ) -> None:
        while data := await upstream.read(65536):
            if lost.is_set():
                return
            if not silent.is_set():
                writer.write(data)
                await writer.drain()

    def disconnect(self) -> None:
        """Close all connections."""
        for writer in self._open:
            writer.close()


@asynccontextmanager
async def run_proxy(url: str) -> AsyncIterator[Proxy]:
    """A proxy in front of the server of this database URL."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    proxy = Proxy((parts.hostname, parts.port))
    listener = await asyncio.start_server(proxy.serve, "127.0.0.1", 0)
    proxy.port = listener.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        listener.close()
        proxy.disconnect()
        with suppress(TimeoutError):
            async with asyncio.timeout(5):
                await listener.wait_closed()
