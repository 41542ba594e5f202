"""Scenario 11: one client floods the server with connections; other clients and its later requests are still served.

Every attack runs in a process of its own (`python -m acceptance.connection_flood NAME PORT`), sends to 127.0.0.1 only,
and ends after `SECONDS`.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

from acceptance.processes import PROC, Process
from acceptance.report import ScenarioReport
from acceptance.stack import REPOSITORY, Stack, free_port
from acceptance.startup import PROCESS_MATCHERS
from undercroft.cli._run import SUPERVISED_VARIABLE

CONNECTIONS, SECONDS = 1_500, 6.0
POOL_CONNECTIONS = 40
"""Files that a worker may open for the first time during an attack: connections to the database and to Valkey."""
FRACTION, P99, GROWTH = 0.99, 2.0, 250
"""Of the requests beside an attack: how many succeed, and in what time (seconds); megabytes that the processes grow."""
SETTLE_SECONDS = 15
ADDRESSES = {"another address": "127.0.0.2", "the attacker's address": "127.0.0.1"}
GET = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
POST = b"POST /api/v1/auth/login HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 1000\r\n\r\n{"
WEBSOCKET_UPGRADE = (
    b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: eA==\r\n\r\n"
)

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
FloodAttack = Callable[[Streams], Awaitable[None]]


async def run_scenario(stack: Stack, report: ScenarioReport) -> None:
    for workers in (1, 2):
        async with _serve(stack, workers) as port:
            for name in ATTACKS:
                await _check_attack(stack, port, name, workers, report)


@asynccontextmanager
async def _serve(stack: Stack, workers: int) -> AsyncIterator[int]:
    """Run `undercroft serve` with this many workers on the database of the stack."""
    settings = read_environment(
        next(process for process in stack.processes if PROCESS_MATCHERS["the API server"](process))
    )
    port = free_port()
    command = [str(stack.folder / ".venv" / "bin" / "undercroft"), "serve", "--port", str(port)]
    with (stack.folder.parent / f"flooded-{workers}.log").open("wb") as log:
        server = subprocess.Popen(
            command,
            cwd=stack.folder,
            env=settings | {"WEB_CONCURRENCY": str(workers)},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        async with asyncio.timeout(60):
            while server.poll() is None and not await _succeeds(port, "127.0.0.1"):
                await asyncio.sleep(0.1)
        yield port
    finally:
        server.terminate()
        server.wait(30)


def read_environment(process: Process) -> dict[str, str]:
    pairs = (PROC / str(process.pid) / "environ").read_bytes().split(b"\0")
    settings = {name.decode(): value.decode() for name, _, value in (pair.partition(b"=") for pair in pairs) if name}
    settings.pop(SUPERVISED_VARIABLE, None)  # this server is not a child of the stack's supervisor
    return settings


async def _check_attack(stack: Stack, port: int, name: str, workers: int, report: ScenarioReport) -> None:
    title = f"{name}, {workers} worker{'s' * (workers > 1)}"
    before = _measure_usage(stack, port)
    observed = Observations()
    with _attack(name, port):
        await asyncio.gather(
            *(_probe(port, address, observed) for address in ADDRESSES.values()), _watch(stack, port, observed)
        )
    for client, address in ADDRESSES.items():
        times, failures = observed.times[address], observed.failures.get(address, 0)
        fraction, p99 = len(times) / (len(times) + failures or 1), _p99(times)
        figures = f"{fraction:.1%} of {len(times) + failures}, p99 {p99 * 1000:.0f} ms"
        report.check(fraction >= FRACTION and p99 < P99, f"{title}: requests from {client} succeed", figures)
    grown = observed.peak_memory - before.memory
    report.check(grown < GROWTH, f"{title}: memory is bounded", f"{grown:+.0f} MB on {before.memory:.0f} MB")
    most = before.files + POOL_CONNECTIONS * workers
    files = await _files_after(stack, port, most)
    report.check(files <= most, f"{title}: its connections are closed", f"{before.files} files before, {files} after")


@dataclass
class Observations:
    """Measurements during an attack."""

    times: dict[str, list[float]] = field(default_factory=lambda: {address: [] for address in ADDRESSES.values()})
    failures: dict[str, int] = field(default_factory=dict)
    peak_memory: float = 0


@dataclass
class Usage:
    memory: float
    files: int


def _measure_usage(stack: Stack, port: int) -> Usage:
    """Return the memory in megabytes and the open files of the processes that serve this port."""
    every = stack.processes
    tree = {process.pid for process in every if f"--port {port}" in process.command}
    tree |= {process.pid for process in every if process.parent in tree}
    pages, files = 0, 0
    for pid in tree:
        with suppress(FileNotFoundError, ProcessLookupError):
            pages += int((PROC / str(pid) / "statm").read_text().split()[1])
            files += sum(1 for _ in (PROC / str(pid) / "fd").iterdir())
    return Usage(pages * os.sysconf("SC_PAGE_SIZE") / 1e6, files)


async def _probe(port: int, address: str, observed: Observations) -> None:
    """Send sequential requests on new connections, starting one second after the start of the attack."""
    await asyncio.sleep(1)
    end = time.monotonic() + SECONDS - 2
    while time.monotonic() < end:
        started = time.monotonic()
        if await _succeeds(port, address):
            observed.times[address].append(time.monotonic() - started)
        else:
            observed.failures[address] = observed.failures.get(address, 0) + 1
        await asyncio.sleep(0.02)


async def _succeeds(port: int, address: str) -> bool:
    try:
        async with asyncio.timeout(5):
            reader, writer = await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0))
            writer.write(GET)
            head = await reader.readuntil(b"\r\n")
            writer.close()
            return b" 200 " in head
    except (OSError, TimeoutError, asyncio.IncompleteReadError):
        return False


async def _watch(stack: Stack, port: int, observed: Observations) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        observed.peak_memory = max(observed.peak_memory, _measure_usage(stack, port).memory)
        await asyncio.sleep(0.25)


async def _files_after(stack: Stack, port: int, most: int) -> int:
    end = time.monotonic() + SETTLE_SECONDS
    while (files := _measure_usage(stack, port).files) > most and time.monotonic() < end:
        await asyncio.sleep(0.2)
    return files


def _p99(times: list[float]) -> float:
    return statistics.quantiles(times, n=100)[98] if len(times) > 1 else float("inf")


@contextmanager
def _attack(name: str, port: int) -> Iterator[None]:
    attacker = subprocess.Popen(
        [sys.executable, "-m", "acceptance.connection_flood", name, str(port)], cwd=REPOSITORY, stdin=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        attacker.kill()
        attacker.wait()


async def _silent(_: Streams) -> None:
    await asyncio.sleep(SECONDS)


async def _drip(streams: Streams, beginning: bytes, drop: bytes) -> None:
    reader, writer = streams
    writer.write(beginning)
    while not reader.at_eof():
        await asyncio.sleep(1)
        writer.write(drop)
        await writer.drain()


async def _endless_head(streams: Streams) -> None:
    await _send_and_read(streams, GET[:-2] + b"X-Header: " + b"x" * (1 << 20))


async def _pipelined_requests(streams: Streams) -> None:
    await _send_and_read(streams, GET * 10_000)


async def _http2(streams: Streams) -> None:
    """Return 800 KB of references to the header table, which a decoder expands to 800,000 headers."""
    part = b"\x82" * 16_000
    frames = [_frame(4, 0, 0, b""), _frame(1, 0, 1, part), *(_frame(9, 0, 1, part) for _ in range(50))]
    await _send_and_read(streams, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"".join(frames))


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


async def _idle_websocket(streams: Streams) -> None:
    await _send_and_read(streams, GET[:-2] + WEBSOCKET_UPGRADE)


async def _slow_reader(streams: Streams) -> None:
    streams[1].write(GET.replace(b"/health", b"/openapi.json"))
    await asyncio.sleep(SECONDS)


async def _connection_per_request(streams: Streams) -> None:
    streams[1].write(GET)


async def _send_and_read(streams: Streams, data: bytes) -> None:
    reader, writer = streams
    writer.write(data)
    while await reader.read(1 << 16):
        pass


ATTACKS: dict[str, FloodAttack] = {
    "connections without a byte": _silent,
    "heads sent in drops": lambda streams: _drip(streams, GET[:-2], b"X: y\r\n"),
    "bodies sent in drops": lambda streams: _drip(streams, POST, b" "),
    "heads without end": _endless_head,
    "requests sent ahead": _pipelined_requests,
    "HTTP/2 header lists": _http2,
    "idle WebSockets": _idle_websocket,
    "responses that are not read": _slow_reader,
    "a connection for each request": _connection_per_request,
}


async def attack(name: str, port: int) -> None:
    """Open as many connections as one client may have, and reopen each when the server closes it."""
    raise_file_limit(CONNECTIONS + 100)
    with suppress(TimeoutError):
        async with asyncio.timeout(SECONDS):
            await asyncio.gather(*(_repeat(ATTACKS[name], port) for _ in range(CONNECTIONS)))


async def _repeat(run: FloodAttack, port: int) -> None:
    while True:
        with suppress(OSError):
            streams = await asyncio.open_connection("127.0.0.1", port, limit=1 << 12)
            try:
                await run(streams)
            finally:
                streams[1].transport.abort()
        await asyncio.sleep(0.5)


def raise_file_limit(count: int) -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(count, hard)), hard))


if __name__ == "__main__":
    asyncio.run(attack(sys.argv[1], int(sys.argv[2])))
