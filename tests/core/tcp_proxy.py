"""A TCP proxy in front of a server that can be closed, reopened and paused."""

import asyncio
import contextlib
from typing import Self
from urllib.parse import urlsplit, urlunsplit


class TcpProxy:
    """Forwards to the server of a URL; `url` is the URL through the proxy."""

    def __init__(self, url: str) -> None:
        self._target = urlsplit(url)
        self._is_forwarding = asyncio.Event()
        self._is_forwarding.set()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    @property
    def url(self) -> str:
        credentials = self._target.netloc.rpartition("@")[0]
        at = f"{credentials}@" if credentials else ""
        return urlunsplit(self._target._replace(netloc=f"{at}127.0.0.1:{self.port}"))

    @property
    def open_connections(self) -> int:
        return sum(not task.done() for task in self._connections)

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Refuse new connections and close the existing ones."""
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        self._connections.clear()

    def pause(self) -> None:
        """Accept data from the client but send nothing back."""
        self._is_forwarding.clear()

    def resume(self) -> None:
        self._is_forwarding.set()

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(asyncio.create_task(self._connect(reader, writer)))

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_connection(self._target.hostname, self._target.port)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(self._forward(reader, server_writer))
                both.create_task(self._forward(server_reader, writer, pausable=True))
        finally:
            for each in (writer, server_writer):
                each.close()
                with contextlib.suppress(OSError):
                    await each.wait_closed()

    async def _forward(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, pausable: bool = False
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(65536):
                if pausable:
                    await self._is_forwarding.wait()
                sink.write(data)
                await sink.drain()
        sink.close()
