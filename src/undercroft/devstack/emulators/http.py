"""A local HTTP server for emulators: uvicorn's protocol in the running event loop, with one request per connection."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

Handler = Callable[[Request], Awaitable[Response]]


@dataclass
class RequestCounts:
    """Per path: the number of requests and the maximum number of concurrent requests."""

    hits: Counter[str] = field(default_factory=Counter)
    max_concurrent: Counter[str] = field(default_factory=Counter)
    _in_flight: Counter[str] = field(default_factory=Counter)

    def begin(self, path: str) -> None:
        self.hits[path] += 1
        self._in_flight[path] += 1
        self.max_concurrent[path] = max(self.max_concurrent[path], self._in_flight[path])

    def end(self, path: str) -> None:
        self._in_flight[path] -= 1


class LocalServer:
    """Serves a handler on the loopback interface, in the event loop that starts it."""

    def __init__(self, handle: Handler) -> None:
        self.traffic = RequestCounts()
        self.url = ""
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._state = ServerState()
        self._state.default_headers = [(b"connection", b"close"), (b"cache-control", b"no-store")]

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Start listening and return the base URL. With port 0, the system chooses a free port."""
        config = Config(self._respond, interface="asgi3", ws="none", log_config=None, access_log=False)
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: HttpToolsProtocol(config, self._state, {}), host, port)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"
        return self.url

    def drop_requests(self) -> None:
        """Cancel requests in progress and reset the counters."""
        for task in self._state.tasks:
            task.cancel()
        self.traffic = RequestCounts()

    async def stop(self) -> None:
        """Stop listening and cancel requests in progress."""
        if self._server is None:
            return
        self._server.close()
        self.drop_requests()
        await asyncio.gather(*self._state.tasks, return_exceptions=True)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await self._server.wait_closed()
        self._server = None

    async def _respond(self, scope: Scope, receive: Receive, send: Send) -> None:
        traffic, path = self.traffic, scope["path"]
        traffic.begin(path)
        try:
            response = await self._handle(Request(scope, receive))
        finally:  # before the response is sent: a client that has received it may send its next request at once
            traffic.end(path)
        await response(scope, receive, send)


async def read_form(request: Request) -> dict[str, str]:
    """Return the fields of a form that was posted."""
    return dict(parse_qsl((await request.body()).decode("utf-8", "replace"), keep_blank_values=True))
