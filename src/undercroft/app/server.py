"""The server process: checks that it may serve, then hands the application to granian."""

import asyncio
import contextlib
import gc
import os
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from multiprocessing import connection, parent_process
from typing import Any, cast

from undercroft.app.api import create_app
from undercroft.app.loader import check_settings
from undercroft.app.schema import is_newest, require_row_security
from undercroft.app.settings import ServerSettings
from undercroft.core.db import DatabaseSettings
from undercroft.core.db.settings import required
from undercroft.core.errors import ConfigurationError
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load

_SURFACE = "UNDERCROFT_SURFACE"
M_MMAP_THRESHOLD = -3


def serve(surface: str, host: str | None = None, port: int | None = None) -> None:
    """Serve one surface until SIGTERM; requests in flight are finished, for `SHUTDOWN_TIMEOUT` seconds at most.

    Raises `ConfigurationError` for settings that do not fit, weak ones in production, a database that does not
    answer, an old schema and a taken port.
    """
    settings = load(ServerSettings)
    host, port = host or settings.host, port or settings.port
    check_settings(load(CoreSettings).environment)
    _require_port(host, port)
    asyncio.run(ready_database())
    if settings.web_concurrency == 1:
        _serve_here(surface, host, port, settings.shutdown_timeout)
    else:
        _serve_with_workers(surface, host, port, settings)


async def ready_database() -> None:
    """See that the schema is the newest and rows are secured as set, or with MIGRATE_ON_START make it so.

    Raises `ConfigurationError` that says what to do instead.
    """
    database = load(DatabaseSettings)
    newest = await is_newest(required(database.direct_url))
    if not newest:
        from undercroft.app.migrations import require_current, upgrade_all

        if load(ServerSettings).migrate_on_start:
            await upgrade_all(required(database.migration_url))
        else:
            await require_current(database.direct_url)
    if database.tenant_rls or not newest:
        await require_row_security()


def application() -> Any:
    """What each of several granian workers serves; it goes when granian's main process does."""
    parent = parent_process()
    if parent is not None:
        threading.Thread(target=_go_with, args=(parent.sentinel,), daemon=True, name="leash").start()
    _give_big_blocks_back()
    return create_app(os.environ.get(_SURFACE, "all"))


def _give_big_blocks_back() -> None:
    """Have glibc return each large block when it is freed.

    Left to itself it learns from the 19 MiB of the first password that such blocks come again, and keeps them.
    """
    import ctypes

    with contextlib.suppress(AttributeError, OSError):  # another libc
        ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, 1 << 20)


def _serve_here(surface: str, host: str, port: int, patience: float) -> None:
    _give_big_blocks_back()
    app = create_app(surface)
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(_embedded(app, host, port, patience))


def _remember_faults(app: Api) -> list[Exception]:
    """What the application's start or end raises from now on: granian only says that it failed."""
    lifespan, faults = app.router.lifespan_context, []

    @contextlib.asynccontextmanager
    async def remembering(scope_app: Api) -> AsyncIterator[Any]:
        try:
            async with lifespan(scope_app) as state:
                yield state
        except Exception as fault:
            faults.append(fault)
            raise

    app.router.lifespan_context = remembering
    return faults


async def _embedded(app: Api, host: str, port: int, patience: float) -> None:
    """One worker in this very process: nothing that could outlive it, and the fastest start."""
    from granian.server.embed import Server

    faults = _remember_faults(app)
    server: Any = Server(app, host, port, interface=cast(Any, "asgi"), backlog=1024, log_enabled=False)
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(number, told.set)
    serving = asyncio.create_task(server.serve())
    asked = asyncio.create_task(told.wait())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    if told.is_set():
        server.signal_handler_interrupt()
        await asyncio.wait({serving}, timeout=patience)
        if not serving.done():
            _leave()
    asked.cancel()
    try:
        await serving
    except Exception as error:
        raise (faults or [error])[0] from None


def _leave() -> None:
    """End although requests are still in flight; the loop would wait for them."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


def _serve_with_workers(surface: str, host: str, port: int, settings: ServerSettings) -> None:
    from granian import Granian

    gc.enable()
    os.environ[_SURFACE] = surface
    Granian(
        "undercroft.app.server:application",
        address=host,
        port=port,
        interface=cast(Any, "asgi"),
        factory=True,
        workers=settings.web_concurrency,
        workers_kill_timeout=settings.shutdown_timeout,
        respawn_failed_workers=True,
        log_level=cast(Any, "warning"),
    ).serve()


def _go_with(sentinel: int) -> None:
    connection.wait([sentinel])
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(load(ServerSettings).shutdown_timeout)
    os._exit(1)


def _require_port(host: str, port: int) -> None:
    import socket

    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
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
