"""The server process: checks that it may serve, then hands the application to uvicorn."""

import asyncio
import contextlib
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from multiprocessing import connection, parent_process
from typing import Any, NoReturn, cast

import structlog
import uvicorn
from uvicorn.config import STARTUP_FAILURE
from uvicorn.server import HANDLED_SIGNALS
from uvicorn.supervisors import Multiprocess

from undercroft.app.api import create_app
from undercroft.app.connection_limits import LISTEN_BACKLOG, LimitedProtocol
from undercroft.app.discovery import check_settings
from undercroft.app.schema import is_current, require_row_security
from undercroft.app.settings import ServerSettings
from undercroft.core.db import DatabaseSettings
from undercroft.core.db.connect import detect_pooler, wait_for_database
from undercroft.core.db.settings import require_url
from undercroft.core.errors import ConfigurationError
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, Environment, load
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.origin import explain_error

log = structlog.get_logger("undercroft.application")

_SURFACE = "UNDERCROFT_SURFACE"
M_MMAP_THRESHOLD = -3
WORKER_HEALTHCHECK_TIMEOUT = 60
"""A worker that gives no sign of life for so long is replaced. With less, one on a crowded machine would be."""
CLOSE_TIMEOUT = 5
"""What a process gets to close its connections, once its requests in flight had their time."""


def serve(surface: str, host: str | None = None, port: int | None = None) -> None:
    """Serve one surface until SIGTERM; requests in flight are finished, for `SHUTDOWN_TIMEOUT` seconds at most.

    Raises `ConfigurationError` for settings that do not fit, weak ones in production, a database that does not
    answer, an old schema and a taken port.
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
    """See that the schema is the newest and rows are secured as set, or with MIGRATE_ON_START make it so.

    Returns what a person should know although the process can start: a schema of a newer release, and in development
    one that is not what the code was written for. Raises `ConfigurationError` that says what to do instead.
    """
    await wait_for_database(require_url(load(DatabaseSettings).url), load(DatabaseSettings).db_start_timeout)
    database = await detect_pooler()
    newest = await is_current(database.direct_url)
    warnings = [] if newest else await _migrate_if_enabled(database)
    if database.tenant_rls or not newest:
        await require_row_security()
    return warnings


async def _migrate_if_enabled(database: DatabaseSettings) -> list[str]:
    """Migrate if that is wanted, in development only without a loss."""
    from undercroft.app.migrations import require_current, schema_warnings, upgrade_all

    migrates = load(ServerSettings).migrate_on_start
    develops = migrates and load(CoreSettings).environment is Environment.DEVELOPMENT
    if migrates:
        await upgrade_all(require_url(database.migration_url), lossless=develops)
    return await (schema_warnings if develops else require_current)(database.direct_url)


def warn(warning: str) -> None:
    """One line of the log; in development lines for a person to read."""
    if load(CoreSettings).environment is Environment.DEVELOPMENT:
        print(f"\nWarning: {warning}\n", file=sys.stderr, flush=True)  # noqa: T201
    else:
        log.warning(warning)


def application() -> Any:
    """What each of several worker processes serves; it goes when the main process does."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_exit_with_parent, args=(parent.sentinel,), daemon=True, name="parent-watcher").start()
    _tune_malloc()
    try:
        app = create_app(os.environ.get(_SURFACE, "all"))
    except Exception as error:
        _exit_with_startup_error(error)
    return _exit_on_startup_failure(app)


def _tune_malloc() -> None:
    """Have glibc return each large block when it is freed.

    Left to itself it learns from the 19 MiB of the first password that such blocks come again, and keeps them.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another libc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)


def _exit_on_startup_failure(app: Api) -> Api:
    """Have a worker process end with the reason when its application does not start: it would fail again and again."""
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
    said = str(error) if isinstance(error, ConfigurationError) else explain_error(error)
    print(f"Error: {said}", file=sys.stderr, flush=True)  # noqa: T201
    os._exit(STARTUP_FAILURE)


class Server(uvicorn.Server):
    """One worker in this very process: nothing that could outlive it, and the fastest start.

    Unlike its base it ends with 0 after SIGTERM, and at the latest a few seconds after its time to shut down.
    """

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        earlier = {number: signal.signal(number, self.handle_exit) for number in HANDLED_SIGNALS}
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        patience = (self.config.timeout_graceful_shutdown or 0) + CLOSE_TIMEOUT
        end = threading.Timer(patience, _force_exit)
        end.daemon = True
        end.start()
        await super().shutdown(sockets)
        end.cancel()


class ServerSupervisor(Multiprocess):
    """Several worker processes with one socket. Those that do not stop in time are killed."""

    def terminate_all(self) -> None:
        for listener in self.sockets:
            listener.close()  # or the kernel would go on to accept connections that no worker serves
        super().terminate_all()

    def join_all(self) -> None:
        deadline = time.monotonic() + (self.config.timeout_graceful_shutdown or 0) + CLOSE_TIMEOUT
        for worker in self.processes:
            worker.process.join(max(0, deadline - time.monotonic()))
            if worker.process.is_alive():
                worker.process.kill()
                worker.process.join()


def server_config(app: Any, host: str, port: int, **options: Any) -> uvicorn.Config:
    """uvicorn as it is used here; what it may be sent is limited in `connections`."""
    settings = load(ServerSettings)
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # or strangers' malformed requests fill the log
    return uvicorn.Config(
        app,
        host,
        port,
        http=LimitedProtocol,
        ws="none",
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
    app = create_app(surface)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_serve_with_lifespan(app, host, port))


async def _serve_with_lifespan(app: Api, host: str, port: int) -> None:
    """Start the application ourselves: what it raises reaches the caller as it is."""
    async with app.router.lifespan_context(app):
        await Server(server_config(app, host, port, lifespan="off")).serve()


def _force_exit() -> None:
    """End although requests are still in flight; the loop would wait for them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _serve_with_workers(surface: str, host: str, port: int, workers: int) -> None:
    gc.enable()
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
    """The fastest event loop that is installed."""
    try:
        import uvloop
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)
