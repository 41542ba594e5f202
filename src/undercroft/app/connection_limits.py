"""Connection limits: an HTTP/1.1 protocol with a timeout for every wait for a client.

The limits apply per worker process.

| resource                               | limit                                            | when exceeded            |
| -------------------------------------- | ------------------------------------------------ | ------------------------ |
| connections                            | MAX_CONNECTIONS and the process's limit of files | see below                |
| connections of one address             | a quarter of these; TRUSTED_PROXIES: all         | see below                |
| connections that the kernel queues     | `LISTEN_BACKLOG`                                 | refused by the kernel    |
| first byte and whole head of a request | `HEADER_TIMEOUT`                                 | closed, after a part 408 |
| size of the head                       | `MAX_HEADER_BYTES`                               | 431                      |
| body                                   | REQUEST_TIMEOUT and MAX_BODY_SIZE                | 408 and 413              |
| rest of a body after the response      | `HEADER_TIMEOUT`                                 | closed                   |
| time between two requests              | KEEP_ALIVE_TIMEOUT                               | closed                   |
| requests sent ahead (pipelining)       | `MAX_PIPELINED`                                  | closed                   |
| reading a response                     | `WRITE_TIMEOUT` and `MIN_WRITE_RATE`             | closed                   |
| message of a WebSocket                 | MAX_BODY_SIZE                                    | closed                   |
| HTTP/2                                 | none                                             | 400, HTTP/1.1            |

HTTP/2 is left to the TLS proxy: browsers do not use it without TLS, and a single HTTP/2 connection could have
thousands of streams and compressed header lists.

When a limit is reached, a new connection replaces the one that has waited longest for its client: for a request, the
rest of a request, or for reading a response. So stalled clients cannot block others, not even those with the same
address. A new connection is refused, with 503, only if every connection has a request in progress.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from math import inf
from time import monotonic
from typing import Any
from weakref import WeakKeyDictionary

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from undercroft.app.connection_errors import (
    MAX_HEADER_BYTES,
    HeadersTimedOut,
    HeadersTooLarge,
    MalformedRequest,
    TooManyConnections,
    encode_response,
)
from undercroft.app.settings import ServerSettings
from undercroft.core.errors import AppError
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import load

LISTEN_BACKLOG = 2048
HEADER_TIMEOUT = 10.0
MAX_PIPELINED = 16
LINGER_TIMEOUT = 2.0
WRITE_TIMEOUT = 30.0
MIN_WRITE_RATE = 16 << 10
PER_ADDRESS_DIVISOR = 4
RESERVED_FILES = 128
"""File descriptors reserved for the database, jobs and logs."""
SWEEP_INTERVAL = 1.0


@dataclass(eq=False, slots=True)
class Peer:
    """The connections of one address. `stalled` are those that wait for their client, longest wait first."""

    address: str
    limit: float
    open: int = 0
    stalled: "dict[LimitedProtocol, None]" = field(default_factory=dict)


class ConnectionLimiter:
    """Admits, replaces and closes the connections of one server."""

    def __init__(self, limit: int, limit_per_address: int, exempt_networks: Sequence[str] = ()) -> None:
        self._limit = limit
        self._limit_per_address = limit_per_address
        self._exempt_networks = [ip_network(network) for network in exempt_networks]
        self._peers: dict[str, Peer] = {}
        self._protocols: set[LimitedProtocol] = set()
        self._sweeping = False

    def admit(self, protocol: "LimitedProtocol", address: str) -> Peer | None:
        """Admit a connection and return its peer, or None if no connection is free."""
        peer = self._peers.get(address) or Peer(address, self._address_limit(address))
        if peer.open >= peer.limit and not self._evict_oldest(peer):
            return None
        if len(self._protocols) >= self._limit and not self._evict_oldest(self._most_stalled()):
            return None
        self._peers[address] = peer
        peer.open += 1
        self._protocols.add(protocol)
        self._schedule_sweep(protocol)
        return peer

    def release(self, protocol: "LimitedProtocol", peer: Peer) -> None:
        self._protocols.discard(protocol)
        peer.stalled.pop(protocol, None)
        peer.open -= 1
        if not peer.open:
            self._peers.pop(peer.address, None)

    def _address_limit(self, address: str) -> float:
        try:
            parsed = ip_address(address.split("%", 1)[0])
        except ValueError:
            return inf
        return inf if any(parsed in network for network in self._exempt_networks) else self._limit_per_address

    def _most_stalled(self) -> Peer | None:
        return max(self._peers.values(), key=lambda peer: len(peer.stalled), default=None)

    @staticmethod
    def _evict_oldest(peer: Peer | None) -> bool:
        oldest = next(iter(peer.stalled), None) if peer else None
        if oldest is not None:
            oldest.abort()
        return oldest is not None

    def _schedule_sweep(self, protocol: "LimitedProtocol") -> None:
        if not self._sweeping:
            self._sweeping = True
            protocol.loop.call_later(SWEEP_INTERVAL, self._sweep, protocol.loop)

    def _sweep(self, loop: Any) -> None:
        """Close connections that have timed out. One timer for all connections is cheaper than one for each."""
        now = monotonic()
        for protocol in [protocol for protocol in self._protocols if protocol.deadline <= now]:
            protocol.expire()
        self._sweeping = bool(self._protocols)
        if self._sweeping:
            loop.call_later(SWEEP_INTERVAL, self._sweep, loop)


_limiters: "WeakKeyDictionary[ServerState, ConnectionLimiter]" = WeakKeyDictionary()


def get_limiter(state: ServerState) -> ConnectionLimiter:
    """Return the limiter of the server with this state, with the limits from the settings."""
    if state not in _limiters:
        limit = min(load(ServerSettings).max_connections, raise_file_limit() - RESERVED_FILES)
        proxies = load(HttpSettings).trusted_proxies
        _limiters[state] = ConnectionLimiter(limit, max(1, limit // PER_ADDRESS_DIVISOR), proxies)
    return _limiters[state]


def raise_file_limit() -> int:
    """Raise the limit of open files as far as needed and permitted, and return it."""
    try:
        import resource
    except ImportError:  # Windows has no such limit for sockets
        return 1 << 20
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = load(ServerSettings).max_connections + RESERVED_FILES
    if soft == resource.RLIM_INFINITY or soft >= wanted:
        return 1 << 20 if soft == resource.RLIM_INFINITY else soft
    limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    return limit


class LimitedProtocol(HttpToolsProtocol):
    """One connection. `deadline` is the time (monotonic seconds) by which its client must act."""

    def __init__(self, config: Config, server_state: ServerState, app_state: dict[str, Any], _loop: Any = None) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self.deadline = inf
        self._limiter = get_limiter(server_state)
        self._peer: Peer | None = None
        self._in_headers = False
        self._header_bytes = 0
        self._refused = False

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        self._peer = self._limiter.admit(self, address)
        if self._peer is None:
            self._refuse(TooManyConnections(headers={"Retry-After": "1"}))
        else:
            self._start_timeout(HEADER_TIMEOUT)

    def connection_lost(self, exc: Exception | None) -> None:
        self._release()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Pass at most the permitted size of a head to the parser, however much data has arrived at once."""
        while data and not (self._refused or self.transport.is_closing()):
            began_in_head = self._in_headers
            room = MAX_HEADER_BYTES - self._header_bytes if began_in_head else MAX_HEADER_BYTES
            part, data = (data, b"") if len(data) <= room else (data[:room], data[room:])
            super().data_received(part)
            if self._in_headers:
                self._continue_head(len(part), is_new=not began_in_head)

    def _continue_head(self, size: int, *, is_new: bool) -> None:
        """Count the bytes of an incomplete head. Its time began with the first of them."""
        self._header_bytes = size if is_new else self._header_bytes + size
        if self._header_bytes >= MAX_HEADER_BYTES:
            self._refuse(HeadersTooLarge())
        elif is_new and not self._has_active_request:
            self._start_timeout(HEADER_TIMEOUT)

    def on_message_begin(self) -> None:
        if len(self.pipeline) >= MAX_PIPELINED:
            raise RuntimeError("too many requests at once")
        super().on_message_begin()
        self._in_headers = True
        self._header_bytes = 0

    def on_headers_complete(self) -> None:
        self._in_headers = False
        self.deadline = inf  # the application has its own timeouts for the body
        super().on_headers_complete()
        if not (self.parser.should_upgrade() and self._should_upgrade()):
            self.headers = []  # trailers are not headers of the running request

    def on_message_complete(self) -> None:
        super().on_message_complete()
        if self._has_active_request:
            self._mark_active()
        else:
            self._start_timeout(self.timeout_keep_alive)

    def on_response_complete(self) -> None:
        """Start the next request of the pipeline, or wait for one, without the timer of the base class."""
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            self._await_client(WRITE_TIMEOUT)
            return
        self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())
        elif self._in_headers or self.cycle.more_body:
            self._await_client(HEADER_TIMEOUT)
        else:
            self._await_client(self.timeout_keep_alive)

    def _await_client(self, seconds: float) -> None:
        """Start a timeout, unless a longer one for the rest of the response is running."""
        if not self.flow.write_paused:
            self._start_timeout(seconds)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._start_timeout(WRITE_TIMEOUT + self.transport.get_write_buffer_size() / MIN_WRITE_RATE)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self._has_active_request:
            self._mark_active()
        else:
            self._start_timeout(self.timeout_keep_alive)

    def handle_websocket_upgrade(self) -> None:
        """Let the protocol of WebSockets continue. The connection counts until it ends; its route has no timeouts."""
        super().handle_websocket_upgrade()
        self._mark_active()
        protocol: Any = self.transport.get_protocol()
        connection_lost = protocol.connection_lost

        def release(error: Exception | None) -> None:
            self._release()
            connection_lost(error)

        protocol.connection_lost = release

    def _unsupported_upgrade_warning(self) -> None:
        """Respond over HTTP/1.1 and close the connection: the parser reads nothing after an `Upgrade` header."""
        if self.cycle is not None:
            self.cycle.keep_alive = False

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - the application has its own message
        self._refuse(MalformedRequest())

    def expire(self) -> None:
        """Handle a client that did not act before the deadline."""
        if self._in_headers and self._header_bytes:
            self._refuse(HeadersTimedOut())
        else:
            self.abort()

    def abort(self) -> None:
        """Close the connection at once, without sending the remaining data."""
        self._release()
        self.transport.abort()

    @property
    def _has_active_request(self) -> bool:
        """Whether a request has an incomplete response."""
        return self.cycle is not None and not self.cycle.response_complete

    def _mark_active(self) -> None:
        self.deadline = inf
        if self._peer is not None:
            self._peer.stalled.pop(self, None)

    def _start_timeout(self, seconds: float) -> None:
        self.deadline = monotonic() + seconds
        if self._peer is not None:
            self._peer.stalled.pop(self, None)
            self._peer.stalled[self] = None

    def _refuse(self, error: AppError) -> None:
        """Send an error as the last response. If another response is in progress, only close the connection.

        Closing a connection with unread data resets it, and the client may never see the error. So the remaining input
        is read and discarded until the client closes the connection, for at most `LINGER_TIMEOUT` seconds.
        """
        self._refused, self._in_headers = True, False
        if self._has_active_request:
            self.abort()
            return
        self.transport.write(b"".join(encode_response(error)))
        if self._peer is None:
            self.transport.close()
        else:
            self.transport.write_eof()
            self._start_timeout(LINGER_TIMEOUT)

    def _release(self) -> None:
        if self._peer is not None:
            self._limiter.release(self, self._peer)
            self._peer = None
