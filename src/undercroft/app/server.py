"""The server process: checks settings and database, then runs the application with uvicorn."""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from multiprocessing import connection, parent_process
from typing import Any, NoReturn, cast

import structlog
import uvicorn
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess

from undercroft.app.api import create_app
from undercroft.app.configuration import check_settings
from undercroft.app.connection_limits import LISTEN_BACKLOG, LimitedProtocol
from undercroft.app.schema import is_current, require_row_security
from undercroft.app.settings import ServerSettings
from undercroft.core.context import PROCESS
from undercroft.core.db import DatabaseSettings
from undercroft.core.db.connect import detect_pooler, wait_for_database
from undercroft.core.db.settings import require_url
from undercroft.core.errors import ConfigurationError
from undercroft.core.http.application import Api
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, Environment, load
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.origin import explain_error

log = structlog.get_logger("undercroft.application")

_SURFACE = "UNDERCROFT_SURFACE"
M_MMAP_THRESHOLD = -3
WORKER_HEALTHCHECK_TIMEOUT = 60
"""Seconds after which an unresponsive worker is replaced. Must tolerate slow responses on an overloaded machine."""
STARTUP_FAILURE = 3
"""Exit code of a worker process that cannot start: the one of uvicorn."""
CLOSE_TIMEOUT = 5
"""Seconds for a process to close its connections after the shutdown timeout."""


def serve(surface: str, host: str | None = None, port: int | None = None) -> None:
    """Serve one surface until SIGTERM. Requests in flight get `SHUTDOWN_TIMEOUT` seconds to finish.

    Raises `ConfigurationError` for invalid settings, insecure settings in production, an unreachable database, an
    outdated schema and a port in use.
    """
    settings = load(ServerSettings)
    host, port = host or settings.host, port or settings.port
    check_settings(load(CoreSettings).environment)
    _require_free_port(host, port)
    logs.configure()
    for warning in asyncio.run(prepare_database()):
        warn(warning)
    if settings.web_concurrency == 1:
        _serve_in_process(surface, host, port)
    else:
        _serve_with_workers(surface, host, port, settings.web_concurrency)


async def prepare_database() -> list[str]:
    """Check schema and row-level security; with MIGRATE_ON_START, migrate first.

    Returns warnings: a schema of a newer release, and in development a schema that does not match the code. Raises
    `ConfigurationError` if the process must not start.
    """
    await wait_for_database(require_url(load(DatabaseSettings).url), load(DatabaseSettings).db_start_timeout)
    database = await detect_pooler()
    newest = await is_current(database.direct_url)
    warnings = [] if newest else await _migrate_if_enabled(database)
    if database.tenant_rls or not newest:
        await require_row_security()
    return warnings


async def _migrate_if_enabled(database: DatabaseSettings) -> list[str]:
    """Migrate if MIGRATE_ON_START is set; in development, only migrations that cannot lose data."""
    from undercroft.app.migrations import require_current, schema_warnings, upgrade_all

    migrate = load(ServerSettings).migrate_on_start
    is_development = migrate and load(CoreSettings).environment is Environment.DEVELOPMENT
    if migrate:
        await upgrade_all(require_url(database.migration_url), lossless=is_development)
    return await (schema_warnings if is_development else require_current)(database.direct_url)


def warn(warning: str) -> None:
    """Log a warning; in development, print it to the terminal."""
    if load(CoreSettings).environment is Environment.DEVELOPMENT:
        print(f"\nWarning: {warning}\n", file=sys.stderr, flush=True)  # noqa: T201
    else:
        log.warning(warning)


def application() -> Any:
    """Create the application in a worker process, which exits when the main process does."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent.sentinel,), daemon=True, name="parent-watcher").start()
    _tune_malloc()
    try:
        app = create_app(os.environ.get(_SURFACE, "all"), context=PROCESS)
    except Exception as error:
        _exit_with_startup_error(error)
    return _exit_on_startup_failure(app)


def _tune_malloc() -> None:
    """Make glibc return large blocks to the system when they are freed.

    Otherwise it raises its threshold after the first password hash (19 MiB) and retains such blocks.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another libc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)


def _exit_on_startup_failure(app: Api) -> Api:
    """Make a worker process print the error and exit when its startup fails; it would only fail again."""
    lifespan = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def checked(started: Api) -> AsyncIterator[Any]:
        async with contextlib.AsyncExitStack() as stack:
            try:
                state = await stack.enter_async_context(lifespan(started))
            except Exception as error:
                _exit_with_startup_error(error)
            yield state

    app.router.lifespan_context = checked
    return app


def _exit_with_startup_error(error: Exception) -> NoReturn:
    logs.flush()
    message = str(error) if isinstance(error, ConfigurationError) else explain_error(error)
    print(f"Error: {message}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(STARTUP_FAILURE)


class Server(uvicorn.Server):
    """A server with one worker in this process, which starts fastest and leaves no orphans.

    Unlike its base class, it exits with 0 after SIGTERM, at the latest a few seconds after the shutdown timeout. It
    serves an application that has been started; `state` is what its lifespan yielded.
    """

    def __init__(self, config: uvicorn.Config, state: Mapping[str, Any] | None = None) -> None:
        super().__init__(config)
        self._state = state or {}

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self.lifespan.state.update(self._state)
        await super().startup(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        earlier = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        timeout = (self.config.timeout_graceful_shutdown or 0) + CLOSE_TIMEOUT
        timer = threading.Timer(timeout, _force_exit)
        timer.daemon = True
        timer.start()
        await super().shutdown(sockets)
        timer.cancel()


class ServerSupervisor(Multiprocess):
    """Runs several worker processes with one socket, and kills those that do not stop in time."""

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()  # otherwise the kernel accepts connections that no worker serves
        super().terminate_all()

    def join_all(self) -> None:
        deadline = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + CLOSE_TIMEOUT
        for worker in self.processes:
            worker.process.join(max(0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def server_config(app: Any, host: str, port: int, **options: Any) -> uvicorn.Config:
    """Return the configuration of uvicorn. `connection_limits` limits what clients may send."""
    settings = load(ServerSettings)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # otherwise malformed requests fill the log
    return uvicorn.Config(
        app,
        host,
        port,
        http=LimitedProtocol,
        ws_max_size=load(HttpSettings).max_body_size,
        loop="uvloop" if loop_factory() else "asyncio",
        backlog=LISTEN_BACKLOG,
        timeout_keep_alive=settings.keep_alive_timeout,
        timeout_graceful_shutdown=settings.shutdown_timeout,
        timeout_worker_healthcheck=WORKER_HEALTHCHECK_TIMEOUT,
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        reset_contextvars=True,
        **options,
    )


def _serve_in_process(surface: str, host: str, port: int) -> None:
    _tune_malloc()
    app = create_app(surface, context=PROCESS)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve_with_lifespan(app, host, port))


async def _serve_with_lifespan(app: Api, host: str, port: int) -> None:
    """Run the lifespan outside uvicorn, so that its exceptions reach the caller."""
    async with app.router.lifespan_context(app) as state:
        await Server(server_config(app, host, port, lifespan="off"), state).serve()


def _force_exit() -> None:
    """Exit although requests are still in flight; the event loop would wait for them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _serve_with_workers(surface: str, host: str, port: int, workers: int) -> None:
    os.environ[_SURFACE] = surface
    os.environ["DATABASE_POOLER"] = load(DatabaseSettings).database_pooler
    config = server_config(
        "undercroft.app.server:application", host, port, factory=True, workers=workers, lifespan="on"
    )
    with socket.create_server((host, port), family=_address_family(host), backlog=LISTEN_BACKLOG) as listener:
        processes = ServerSupervisor(config, [listener])
        processes.run()
    if any(worker.exitcode == STARTUP_FAILURE for worker in processes.processes):
        sys.exit(1)


def _exit_with_parent(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(load(ServerSettings).shutdown_timeout)
    os._exit(1)


def _address_family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _require_free_port(host: str, port: int) -> None:
    with socket.socket(_address_family(host)) as probe:
        if os.name == "posix":
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise ConfigurationError(
                f"The server cannot listen on {host}, port {port}: {error.strerror}. Choose another with --port."
            ) from None


def loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """Return the factory of the fastest installed event loop."""
    try:
        import uvloop
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
