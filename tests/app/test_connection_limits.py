"""Connection limits, tested with sockets against the server that `serve` uses."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import Any

import pytest
import websockets

from undercroft.app import connection_limits
from undercroft.app.connection_limits import MAX_HEADER_BYTES, MAX_PIPELINED, get_limiter
from undercroft.app.server import Server, server_config
from undercroft.app.settings import ServerSettings
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load, use
from undercroft.devstack.machine import free_port

MAX_CONNECTIONS = 64
MAX_PER_ADDRESS = 16
GET = b"GET /echo HTTP/1.1\r\nHost: test\r\n\r\n"
BIG = 8 << 20


class Application:
    """Responds at once, after `release`, or with a response larger than all buffers; `read` reads the body first."""

    def __init__(self) -> None:
        self.release = asyncio.Event()
        self.started = 0
        self.headers: list[tuple[bytes, bytes]] = []

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.started += 1
        self.headers = scope["headers"]
        if scope["path"] == "/wait":
            await self.release.wait()
        if scope["path"] == "/read":
            while (await receive()).get("more_body"):
                pass
        body = b"x" * BIG if scope["path"] == "/big" else scope["path"].encode()
        headers = [(b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Client:
    """A connection from a loopback address."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    def send(self, data: bytes) -> None:
        with suppress(ConnectionError):
            self.writer.write(data)

    async def response(self) -> tuple[int, bytes]:
        async with asyncio.timeout(10):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def rest(self) -> bytes:
        """Read until the server closes the connection."""
        read = b""
        async with asyncio.timeout(10):
            with suppress(ConnectionError):
                while part := await self.reader.read(1 << 16):
                    read += part
        return read

    @property
    def closed(self) -> bool:
        return self.reader.at_eof() or self.reader.exception() is not None


class RunningServer:
    def __init__(self, app: Application, server: Server, port: int) -> None:
        self.app = app
        self.server = server
        self.port = port
        self.clients: list[Client] = []

    async def connect(self, data: bytes = b"", address: str = "127.0.0.1") -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, local_addr=(address, 0))
        client = Client(reader, writer)
        self.clients.append(client)
        client.send(data)
        return client

    @property
    def open(self) -> int:
        return len(self.server.server_state.connections)


@asynccontextmanager
async def running_server(served_app: Any = None, **options: Any) -> AsyncIterator[RunningServer]:
    app, port = Application(), free_port()
    server = Server(server_config(served_app or app, "127.0.0.1", port, lifespan="off", **options))
    task = asyncio.create_task(server.serve())
    await _until(lambda: server.started)
    served = RunningServer(app, server, port)
    try:
        yield served
    finally:
        app.release.set()
        for client in served.clients:
            client.writer.transport.abort()
        server.should_exit = True
        await task


async def _until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)


@pytest.fixture(autouse=True)
def small_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    use(load(ServerSettings).model_copy(update={"max_connections": MAX_CONNECTIONS}))
    monkeypatch.setattr(connection_limits, "SWEEP_INTERVAL", 0.02)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    assert scope["type"] == "websocket"
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})


async def test_websockets_are_served_and_free_their_connections():
    async with running_server(echo) as served:
        for _ in range(MAX_CONNECTIONS * 2):
            async with websockets.connect(f"ws://127.0.0.1:{served.port}/") as socket:
                await socket.send("hello")
                assert await socket.recv() == "hello"


async def test_open_websockets_count_as_connections():
    async with running_server(echo) as served, AsyncExitStack() as stack:
        with pytest.raises((OSError, websockets.InvalidHandshake)):
            for _ in range(MAX_CONNECTIONS + 1):
                await stack.enter_async_context(websockets.connect(f"ws://127.0.0.1:{served.port}/"))


async def test_connection_without_data_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.1)
    async with running_server() as served:
        client = await served.connect()
        assert await client.rest() == b""
        await _until(lambda: served.open == 0)


async def test_slowly_sent_head_gets_408_and_is_closed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.3)
    async with running_server() as served:
        client = await served.connect(b"GET /echo HTTP/1.1\r\n")
        dripping = asyncio.create_task(_drip(client, b"X: y\r\n"))
        status, body = await client.response()
        dripping.cancel()
        assert (status, json.loads(body)["error"]["code"]) == (408, "HEADERS_TIMED_OUT")
        assert await client.rest() == b""


async def test_rest_of_a_request_after_its_408_is_not_served(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.1)
    async with running_server() as served:
        client = await served.connect(GET[:-2])
        assert (await client.response())[0] == 408
        client.send(b"\r\n" + GET)
        assert await client.rest() == b""
        assert served.app.started == 0


async def _drip(client: Client, data: bytes) -> None:
    while True:
        client.send(data)
        await asyncio.sleep(0.01)


async def test_header_timeout_applies_to_the_second_request_too(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.3)
    async with running_server() as served:
        client = await served.connect(GET)
        assert await client.response() == (200, b"/echo")
        client.send(b"GET /echo HTT")
        status, body = await client.response()
        assert (status, json.loads(body)["error"]["code"]) == (408, "HEADERS_TIMED_OUT")


async def test_idle_connection_is_closed_after_the_keep_alive_timeout_and_not_before():
    use(load(ServerSettings).model_copy(update={"keep_alive_timeout": 1}))
    async with running_server() as served:
        client = await served.connect(GET)
        assert await client.response() == (200, b"/echo")
        client.send(GET)
        assert await client.response() == (200, b"/echo")
        assert await client.rest() == b""


async def test_idle_connection_outlives_the_header_timeout(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.1)
    async with running_server() as served:
        silent, used = await served.connect(), await served.connect(GET)
        await used.response()
        await silent.rest()
        used.send(GET)
        assert await used.response() == (200, b"/echo")


async def test_request_may_take_longer_than_its_head(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.1)
    async with running_server() as served:
        working, silent = await served.connect(GET.replace(b"echo", b"wait")), await served.connect()
        await silent.rest()
        served.app.release.set()
        assert await working.response() == (200, b"/wait")


@pytest.mark.parametrize("at_once", [True, False], ids=["at once", "in parts"])
async def test_head_without_end_gets_431(at_once: bool):
    async with running_server() as served:
        client = await served.connect(b"GET /echo HTTP/1.1\r\n")
        line = b"X-Header: " + b"y" * 1014
        for _ in range(MAX_HEADER_BYTES // len(line) + 2):
            client.send(line if at_once else line + b"\r\n")
            if not at_once:
                await asyncio.sleep(0)
        status, body = await client.response()
        assert (status, json.loads(body)["error"]["code"]) == (431, "HEADERS_TOO_LARGE")
        assert served.app.started == 0


async def test_large_body_in_one_packet_with_its_head_is_accepted():
    async with running_server() as served:
        size = MAX_HEADER_BYTES * 3
        head = b"POST /read HTTP/1.1\r\nHost: test\r\nContent-Length: %d\r\n\r\n" % size
        client = await served.connect(head + b"z" * size)
        assert await client.response() == (200, b"/read")


async def test_many_sequential_requests_do_not_exceed_the_header_limit():
    async with running_server() as served:
        client = await served.connect()
        padded = GET[:-2] + b"X-Padding: " + b"y" * 2000 + b"\r\n\r\n"
        for _ in range(MAX_HEADER_BYTES // len(padded) + 3):
            client.send(padded)
            assert await client.response() == (200, b"/echo")


async def test_trailers_are_not_headers_of_the_running_request():
    async with running_server() as served:
        head = b"POST /wait HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n"
        client = await served.connect(head)
        await _until(lambda: served.app.started == 1)
        client.send(b"0\r\nX-Forwarded-For: 1.2.3.4\r\n\r\n")
        served.app.release.set()
        assert await client.response() == (200, b"/wait")
        assert [name for name, _ in served.app.headers] == [b"host", b"transfer-encoding"]


async def test_pipelined_requests_are_served_in_order_up_to_the_limit():
    async with running_server() as served:
        client = await served.connect(GET * MAX_PIPELINED)
        assert [await client.response() for _ in range(MAX_PIPELINED)] == [(200, b"/echo")] * MAX_PIPELINED


async def test_too_many_pipelined_requests_close_the_connection():
    async with running_server() as served:
        client = await served.connect(GET.replace(b"echo", b"wait") + GET * 5_000)
        await client.rest()
        served.app.release.set()
        assert served.app.started <= MAX_PIPELINED


async def test_client_that_does_not_read_is_disconnected(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "WRITE_TIMEOUT", 0.1)
    monkeypatch.setattr(connection_limits, "MIN_WRITE_RATE", 1 << 30)
    async with running_server() as served:
        with await _connect_without_reading(served):
            await _until(lambda: served.app.started == 1)
            await _until(lambda: served.open == 0)


async def test_large_response_is_complete_when_the_client_reads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(connection_limits, "HEADER_TIMEOUT", 0.1)
    async with running_server() as served:
        client = await served.connect(GET.replace(b"echo", b"big"))
        status, body = await client.response()
        assert (status, len(body)) == (200, BIG)


async def _connect_without_reading(served: RunningServer) -> socket.socket:
    """Open a connection that requests a large response and does not read it."""
    deaf = socket.socket()
    deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    deaf.setblocking(False)
    loop = asyncio.get_running_loop()
    await loop.sock_connect(deaf, ("127.0.0.1", served.port))
    await loop.sock_sendall(deaf, GET.replace(b"echo", b"big"))
    return deaf


STALLS = {
    "nothing": b"",
    "part of a head": b"GET / HTTP/1.1\r\nHost:",
    "part of a body": b"POST /read HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nx",
    "a request, and then nothing": GET,
    "part of an unread body": b"POST /echo HTTP/1.1\r\nHost: test\r\nContent-Length: 100\r\n\r\nx",
}


@pytest.mark.parametrize("stall", STALLS.values(), ids=STALLS)
async def test_stalled_connections_block_neither_other_addresses_nor_their_own(stall: bytes):
    async with running_server() as served:
        for _ in range(MAX_CONNECTIONS * 2):
            await served.connect(stall)
        await _until(lambda: served.open <= MAX_PER_ADDRESS)
        for address in ("127.0.0.1", "127.0.0.2"):
            client = await served.connect(GET, address)
            assert await client.response() == (200, b"/echo"), address


async def test_clients_that_do_not_read_do_not_block_their_own_address():
    async with running_server() as served:
        deaf = [await _connect_without_reading(served) for _ in range(MAX_PER_ADDRESS + 4)]
        await _until(lambda: served.app.started >= MAX_PER_ADDRESS)
        client = await served.connect(GET)
        assert await client.response() == (200, b"/echo")
        for each in deaf:
            each.close()


async def test_connection_that_has_stalled_longest_is_replaced_first():
    async with running_server() as served:
        first = await served.connect(GET)
        await first.response()
        others = [await served.connect(GET) for _ in range(MAX_PER_ADDRESS - 1)]
        for other in others:
            await other.response()
        first.send(GET)  # no longer the one that has waited longest
        await first.response()
        await (await served.connect(GET)).response()
        await _until(lambda: others[0].closed)
        assert [client.closed for client in (first, *others[1:])] == [False] * (MAX_PER_ADDRESS - 1)


async def test_address_with_only_working_requests_gets_503_and_others_do_not():
    async with running_server() as served:
        working = [await served.connect(GET.replace(b"echo", b"wait")) for _ in range(MAX_PER_ADDRESS)]
        await _until(lambda: served.app.started == MAX_PER_ADDRESS)
        refused = await served.connect()
        head = await refused.rest()
        assert head.startswith(b"HTTP/1.1 503 ")
        assert b"retry-after: 1\r\n" in head
        assert b"TOO_MANY_CONNECTIONS" in head
        assert await (await served.connect(GET, "127.0.0.2")).response() == (200, b"/echo")
        served.app.release.set()
        assert [await client.response() for client in working] == [(200, b"/wait")] * len(working)


async def test_total_connection_limit_evicts_stalled_connections():
    async with running_server() as served:
        for number in range(MAX_CONNECTIONS):
            await served.connect(b"", f"127.0.0.{2 + number // MAX_PER_ADDRESS}")
        await _until(lambda: served.open == MAX_CONNECTIONS)
        client = await served.connect(GET, "127.0.0.100")
        assert await client.response() == (200, b"/echo")
        await _until(lambda: served.open == MAX_CONNECTIONS)


async def test_trusted_proxy_may_have_all_connections():
    use(load(HttpSettings).model_copy(update={"trusted_proxies": ("127.0.0.3/32",)}))
    async with running_server() as served:
        working = [await served.connect(GET.replace(b"echo", b"wait"), "127.0.0.3") for _ in range(MAX_CONNECTIONS)]
        await _until(lambda: served.app.started == MAX_CONNECTIONS)
        refused = await served.connect(b"", "127.0.0.3")
        assert (await refused.rest()).startswith(b"HTTP/1.1 503 ")
        served.app.release.set()
        assert {await client.response() for client in working} == {(200, b"/wait")}


async def test_closed_connections_are_removed_from_the_limiter():
    async with running_server() as served:
        for _ in range(MAX_CONNECTIONS):
            client = await served.connect(GET)
            await client.response()
            client.writer.close()
        await _until(lambda: served.open == 0)
        registry = get_limiter(served.server.server_state)
        assert (registry._protocols, registry._peers) == (set(), {})


@pytest.mark.parametrize(
    "data",
    [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0" * 64,
        b"\x16\x03\x01\x02\x00\x01",
        b"GET /a b HTTP/1.1\r\n\r\n",
        b"\0" * 9,
    ],
    ids=["HTTP/2", "TLS", "two spaces", "zeros"],
)
async def test_other_protocols_get_400_and_are_closed(data: bytes, caplog: pytest.LogCaptureFixture):
    async with running_server() as served:
        client = await served.connect(data)
        status, body = await client.response()
        assert (status, json.loads(body)["error"]["code"]) == (400, "MALFORMED_REQUEST")
        assert await client.rest() == b""
        assert caplog.records == []


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_upgrade_request_gets_a_plain_response_and_is_closed(protocol: bytes):
    async with running_server(ws="none") as served:
        offer = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: %s\r\nHTTP2-Settings: AAMAAABk\r\n\r\n" % protocol
        client = await served.connect(GET[:-2] + offer)
        assert await client.response() == (200, b"/echo")
        assert await client.rest() == b""


async def test_file_limit_is_raised_for_the_connection_limit():
    import resource

    assert connection_limits.raise_file_limit() >= MAX_CONNECTIONS + connection_limits.RESERVED_FILES
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= MAX_CONNECTIONS + connection_limits.RESERVED_FILES
