"""One connection to Redis or Valkey that all requests of a process send their commands through at once.

For single commands on the way of every request: a command through redis-py's pool costs 150 us of this process's time,
one here about 30. Replies are simple ones only (RESP 2 without arrays); everything else is for `core.cache`.
"""

import asyncio
import ssl
from collections import deque
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

Reply = bytes | int | None
INCOMPLETE = object()


class ReplyError(Exception):
    """The server refused a command."""


class Pipe:
    """Opens its connection at the first command, and anew after it was lost; `timeout` is in seconds, per command."""

    def __init__(self, url: str, *, timeout: float, connect_timeout: float) -> None:
        self._url = urlsplit(url)
        self._timeout = timeout
        self._connect_timeout = connect_timeout
        self._connection: _Connection | None = None
        self._connecting: asyncio.Task[_Connection] | None = None

    async def run(self, *command: bytes | str | int) -> Reply:
        """Send a command and wait for its reply.

        Raises `ReplyError` when it is refused, `TimeoutError` or another `OSError` when there is no answer; then the
        connection is given up with whatever waits on it. A connection that takes longer goes on being made.
        """
        loop = asyncio.get_running_loop()
        connection = self._connection
        if connection is None or connection.lost or connection.loop is not loop:
            connection = await self._connected(loop)
        reply = connection.send(encoded(command))
        timer = loop.call_later(self._timeout, connection.give_up)
        try:
            return await reply
        finally:
            timer.cancel()

    async def close(self) -> None:
        """Close the connection; the next command opens another."""
        connection, self._connection = self._connection, None
        connecting, self._connecting = self._connecting, None
        if connecting is not None:
            connecting.cancel()
            await asyncio.gather(connecting, return_exceptions=True)
        if connection is not None and connection.loop is asyncio.get_running_loop():
            connection.give_up()
            await connection.gone.wait()

    async def _connected(self, loop: asyncio.AbstractEventLoop) -> "_Connection":
        if self._connecting is None or self._connecting.get_loop() is not loop:
            self._connecting = loop.create_task(self._connect(loop))
            self._connecting.add_done_callback(_retrieve)
        connecting = self._connecting
        async with asyncio.timeout(self._timeout):
            return await asyncio.shield(connecting)

    async def _connect(self, loop: asyncio.AbstractEventLoop) -> "_Connection":
        try:
            async with asyncio.timeout(self._connect_timeout):
                connection = await _open(self._url, loop)
                await _greet(connection, self._url)
        finally:
            self._connecting = None
        self._connection = connection
        return connection


class _Connection(asyncio.Protocol):
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.lost = False
        self.gone = asyncio.Event()
        self._transport: asyncio.Transport | None = None
        self._buffer = bytearray()
        self._waiting: deque[asyncio.Future[Reply]] = deque()

    def send(self, command: bytes) -> "asyncio.Future[Reply]":
        reply: asyncio.Future[Reply] = self.loop.create_future()
        if self._transport is None or self.lost:
            reply.set_exception(ConnectionResetError("the connection was lost"))
            return reply
        self._waiting.append(reply)
        self._transport.write(command)
        return reply

    def give_up(self) -> None:
        self._fail(TimeoutError("no answer in time"))
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionResetError(f"the connection was lost: {exc}" if exc else "the connection was lost"))
        self.gone.set()

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        try:
            while self._waiting and (reply := self._next()) is not INCOMPLETE:
                self._settle(self._waiting.popleft(), reply)
        except ValueError as error:
            self._fail(ConnectionResetError(f"the server spoke another language: {error}"))
            assert self._transport is not None
            self._transport.abort()

    def _next(self) -> Any:
        end = self._buffer.find(b"\r\n")
        if end < 0:
            return INCOMPLETE
        kind, rest = self._buffer[0], bytes(self._buffer[1:end])
        end += 2
        value: Any = rest
        if kind == ord(":"):
            value = int(rest)
        elif kind == ord("-"):
            value = ReplyError(rest.decode("utf-8", "replace"))
        elif kind == ord("$"):
            size = int(rest)
            if size >= 0 and len(self._buffer) < end + size + 2:
                return INCOMPLETE
            value = bytes(self._buffer[end : end + size]) if size >= 0 else None
            end += size + 2 if size >= 0 else 0
        elif kind != ord("+"):
            raise ValueError(f"unexpected {chr(kind)!r}")
        del self._buffer[:end]
        return value

    def _settle(self, waiting: "asyncio.Future[Reply]", reply: Any) -> None:
        if waiting.done():
            return
        if isinstance(reply, ReplyError):
            waiting.set_exception(reply)
        else:
            waiting.set_result(reply)

    def _fail(self, error: OSError) -> None:
        self.lost = True
        while self._waiting:
            waiting = self._waiting.popleft()
            if not waiting.done():
                waiting.set_exception(error)


def encoded(command: tuple[bytes | str | int, ...]) -> bytes:
    """A command as the server reads it: an array of bulk strings."""
    parts = [part if isinstance(part, bytes) else str(part).encode("utf-8", "replace") for part in command]
    return b"*%d\r\n" % len(parts) + b"".join([b"$%d\r\n%b\r\n" % (len(part), part) for part in parts])


async def _open(url: SplitResult, loop: asyncio.AbstractEventLoop) -> _Connection:
    connection = _Connection(loop)
    if url.scheme == "unix":
        await loop.create_unix_connection(lambda: connection, unquote(url.path))
    else:
        context = _tls(url) if url.scheme == "rediss" else None
        await loop.create_connection(lambda: connection, url.hostname or "localhost", url.port or 6379, ssl=context)
    return connection


async def _greet(connection: _Connection, url: SplitResult) -> None:
    try:
        for command in _greeting(url):
            await connection.send(encoded(command))
    except BaseException:
        connection.give_up()
        raise


def _tls(url: SplitResult) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if parse_qs(url.query).get("ssl_cert_reqs") == ["none"]:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _greeting(url: SplitResult) -> list[tuple[bytes | str | int, ...]]:
    commands: list[tuple[bytes | str | int, ...]] = []
    if url.password:
        user = (unquote(url.username),) if url.username else ()
        commands.append(("AUTH", *user, unquote(url.password)))
    path = url.path.strip("/") if url.scheme != "unix" else ""
    database = parse_qs(url.query).get("db", [path or "0"])[0]
    if database != "0":
        commands.append(("SELECT", database))
    return commands


def _retrieve(task: "asyncio.Task[_Connection]") -> None:
    """Whoever waited for it has heard; nobody needs to hear twice."""
    if not task.cancelled():
        task.exception()
