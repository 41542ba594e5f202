"""A small HTTP/1.1 server for emulators: one request per connection, and responses that may be slow or endless."""

import asyncio
import contextlib
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from http.client import responses
from typing import Any
from urllib.parse import parse_qsl, urlsplit

MAX_HEAD_SIZE = 65_536
MAX_BODY_SIZE = 1_048_576


@dataclass(frozen=True)
class Request:
    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes = b""

    @property
    def form(self) -> dict[str, str]:
        return dict(parse_qsl(self.body.decode("utf-8", "replace"), keep_blank_values=True))

    @property
    def json(self) -> Any:
        return json.loads(self.body or b"{}")


@dataclass(frozen=True)
class Response:
    """`body` may be an iterator of chunks, which are sent as they become available."""

    status: int = 200
    body: bytes | AsyncIterator[bytes] = b""
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, content: Any, status: int = 200) -> "Response":
        return cls(status, json.dumps(content).encode(), {"Content-Type": "application/json"})

    @classmethod
    def html(cls, text: str, status: int = 200) -> "Response":
        return cls(status, text.encode(), {"Content-Type": "text/html; charset=utf-8"})

    @classmethod
    def redirect(cls, location: str, status: int = 302) -> "Response":
        return cls(status, b"", {"Location": location})


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
        self._handle = handle
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[Any]] = set()
        self.url = ""

    async def start(self, port: int = 0, host: str = "127.0.0.1") -> str:
        """Start listening and return the base URL. With port 0, the system chooses a free port."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MAX_HEAD_SIZE)
        self.url = f"http://{host}:{self._server.sockets[0].getsockname()[1]}"
        return self.url

    def drop_requests(self) -> None:
        """Cancel requests in progress and reset the counters."""
        for task in self._open:
            task.cancel()
        self.traffic = RequestCounts()

    async def stop(self) -> None:
        """Stop listening and cancel requests in progress."""
        if self._server is None:
            return
        self._server.close()
        self.drop_requests()
        await asyncio.gather(*self._open, return_exceptions=True)
        await self._server.wait_closed()
        self._server = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
                await self._respond(reader, writer)
        except asyncio.CancelledError:
            pass
        finally:
            self._open.discard(task)
            writer.close()

    async def _respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await _read_request(reader)
        traffic = self.traffic
        traffic.begin(request.path)
        try:
            response = await self._handle(request)
            pieces = response.body if isinstance(response.body, AsyncIterator) else None
            if pieces is not None:
                writer.write(_response_head(response))
                await _send_chunks(writer, pieces)
        finally:  # before the last byte is sent: a client that has received it may send its next request at once
            traffic.end(request.path)
        if isinstance(response.body, bytes):
            writer.write(_response_head(response) + response.body)
        await writer.drain()


async def _read_request(reader: asyncio.StreamReader) -> Request:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.rstrip().split("\r\n")
    method, target, _ = first.split(" ", 2)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    length = min(int(headers.get("content-length", "0")), MAX_BODY_SIZE)
    body = await reader.readexactly(length) if length else b""
    parts = urlsplit(target)
    return Request(method, parts.path, dict(parse_qsl(parts.query, keep_blank_values=True)), headers, body)


def _response_head(response: Response) -> bytes:
    headers = {**response.headers, "Connection": "close", "Cache-Control": "no-store"}
    if isinstance(response.body, bytes):
        headers["Content-Length"] = str(len(response.body))
    lines = [f"HTTP/1.1 {response.status} {responses.get(response.status, 'Unknown')}"]
    lines += [f"{name}: {value}" for name, value in headers.items()]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


async def _send_chunks(writer: asyncio.StreamWriter, pieces: AsyncIterator[bytes]) -> None:
    async for piece in pieces:
        writer.write(piece)
        await writer.drain()
