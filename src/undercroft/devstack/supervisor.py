"""Starts everything a developer needs, keeps it running, and leaves nothing behind.

Everything is started from the main thread and looked at a few times a second from the same thread: no event loop, so
that a signal is answered at once, whatever is going on.
"""

import asyncio
import contextlib
import math
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import control, roles, state, valkey
from undercroft.devstack.banner import LOOPBACK_HOSTS, banner
from undercroft.devstack.emulators import registry
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.file_watcher import FileWatcher
from undercroft.devstack.parent_watcher import ParentWatcher
from undercroft.devstack.ports import is_healthy, require_free_port
from undercroft.devstack.postgres import PostgresServer
from undercroft.devstack.processes import USER_ERROR_EXIT_CODES, ManagedProcess, Program, Reaper
from undercroft.devstack.state import DevState
from undercroft.devstack.valkey import ValkeyServer

_POLL_INTERVAL, _MAX_BACKOFF = 0.1, 10.0
_WORKER_ENVIRONMENT = {"JOBS_STOP_TIMEOUT": "1.5"}


class StopRequested(Exception):
    """Somebody wants us to stop."""


@dataclass(frozen=True)
class Options:
    """Where to listen, whether to reload on changes, where the state is, and which outside services to stand in for."""

    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = True
    folder: Path = Path(".undercroft")
    started: float = 0.0
    emulators: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The address that the server can be reached at from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    @property
    def url(self) -> str:
        """What a person opens: by name where that is possible, since browsers allow passkeys at no IP address."""
        host = "localhost" if self.address in LOOPBACK_HOSTS else self.address
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Supervisor:
    """One development stack, from start to end."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._folder = options.folder
        self._parent_watcher = ParentWatcher()
        self._reaper = Reaper()
        self._servers: list[ManagedProcess] = []
        self._programs: list[ManagedProcess] = []
        self._file_watcher = FileWatcher(Path.cwd())
        self._stop_requested_at: float | None = None
        self._is_first_start = False
        self._is_worker_pending = False
        self._is_watching = False

    def run(self) -> None:
        """Run until Ctrl-C, SIGTERM or the end of those who started us.

        Raises `ConfigurationError` when something does not allow it.
        """
        for name in self.options.emulators:
            registry.require_known(name)
        require_free_port(self.options.host, self.options.port)
        surroundings = ProjectEnvironment()
        state.prepare(self._folder)
        self._install_signal_handlers()
        with state.exclusive_lock(self._folder), contextlib.suppress(StopRequested):
            try:
                self._run(surroundings)
            finally:
                self._stop_all()

    def _run(self, surroundings: ProjectEnvironment) -> None:
        kept = DevState.read_for_start(self._folder)
        kept.choose_ports()
        kept.url = self.options.url
        kept.write(self._folder)
        control.clear_stop_request(self._folder)
        self._reaper.start()
        self._is_first_start = surroundings.database_fingerprint not in kept.seeded
        environment = surroundings.environment(kept)
        environment |= self._start_servers(surroundings, kept)
        environment |= self._start_emulators(surroundings, kept)
        self._watch_files()
        self._migrate_and_seed(surroundings, kept, environment)
        self._start_programs(environment)
        emulators = {name: registry.port_of(name, kept) for name in self.options.emulators}
        self._print(banner(self.options, surroundings.value("DEMO_PASSWORD") or kept.demo_password, emulators))
        self._run_forever()

    def _start_servers(self, surroundings: ProjectEnvironment, kept: DevState) -> dict[str, str]:
        """Start what the project has not got; returns what our programs must know of it besides."""
        postgres = None if surroundings.has_database else self._postgres(kept)
        redis = None if surroundings.has_redis or not valkey.is_available() else self._valkey(kept)
        if self._servers:
            self._print_step(f"Starting {' and '.join(server.name for server in self._servers)}")
        if postgres is None:
            surroundings.require_database()
        else:
            self._wait(postgres.is_ready, "PostgreSQL", 60)
            if not kept.roles_made:
                asyncio.run(roles.ensure(postgres.url, kept.roles))
                kept.roles_made = True
                kept.write(self._folder)
        if redis is None:
            return {}
        self._wait(redis.is_ready, "Valkey", 60)
        return {"REDIS_URL": redis.url}

    def _start_emulators(self, surroundings: ProjectEnvironment, kept: DevState) -> dict[str, str]:
        """Start them; returns the settings that lead there, but for those that the project sets itself."""
        reported: dict[str, str] = {}
        for name in self.options.emulators:
            reported |= registry.settings_of(name, kept)
            port = str(registry.port_of(name, kept))
            standin = Program(port, environment={}, module=f"undercroft.devstack.emulators.{name}")
            self._start_managed(self._servers, ManagedProcess(f"The stand-in {name}", standin, self._reaper))
        return {name: value for name, value in reported.items() if not surroundings.value(name)}

    def _postgres(self, kept: DevState) -> PostgresServer:
        postgres = PostgresServer(self._folder, kept.postgres_port, kept.postgres_password)
        if not postgres.has_data:
            kept.forget_database()
            kept.write(self._folder)
        self._start_managed(self._servers, ManagedProcess("PostgreSQL", postgres, self._reaper))
        return postgres

    def _valkey(self, kept: DevState) -> ValkeyServer:
        server = ValkeyServer(self._folder, kept.valkey_port, kept.valkey_password)
        self._start_managed(self._servers, ManagedProcess("Valkey", server, self._reaper))
        return server

    def _migrate_and_seed(self, surroundings: ProjectEnvironment, kept: DevState, environment: dict[str, str]) -> None:
        """Migrate and seed a database that this project has not seen; later, the API server migrates as it starts."""
        mark = surroundings.database_fingerprint
        if mark in kept.seeded:
            return
        self._is_first_start = True
        self._print_step("Creating the tables")
        # Nothing is in our own yet, also when an earlier first start ended between two migrations.
        carefully = () if mark == state.EMBEDDED else ("--lossless",)
        self._run_until_success(Program("migrate", "upgrade", *carefully, environment=environment, quiet=True))
        self._print_step("Adding demo data")
        self._run_until_success(Program("seed", environment=environment, quiet=True))
        kept.seeded.append(mark)
        kept.write(self._folder)

    def _run_until_success(self, program: Program) -> None:
        """Run it until it succeeds: after a mistake in the code once more at each change of files."""
        managed = ManagedProcess("", program, self._reaper)
        pause = _POLL_INTERVAL
        while (code := self._exit_code(managed, program)) != 0:
            if not self._is_watching:
                raise SystemExit(code)
            if code in USER_ERROR_EXIT_CODES:
                self._print("This is tried again when a file changes")
                self._wait(self._file_watcher.pop_change)
            else:
                pause = min(pause * 2, _MAX_BACKOFF)
                self._sleep(pause)

    def _exit_code(self, managed: ManagedProcess, program: Program) -> int:
        managed.start()
        try:
            self._wait(program.has_exited, "the database", 300)
        except SystemExit as ended:
            return int(ended.code or 0)
        finally:
            managed.stop()
        return 0

    def _start_programs(self, environment: dict[str, str]) -> None:
        """The API server first; the worker once that responds, so that an error shows once and a start is quick."""
        where = ("--host", self.options.host, "--port", str(self.options.port))
        self._print_step("Starting the API server")
        api = Program("serve", "all", *where, environment=environment)
        self._start_managed(self._programs, ManagedProcess("The API server", api, self._reaper))
        worker = ManagedProcess(
            "The worker", Program("worker", environment={**environment, **_WORKER_ENVIRONMENT}), self._reaper
        )
        worker.paused = self._is_worker_pending = True
        self._programs.append(worker)
        self._await_server()

    def _await_server(self, limit: float = 120) -> None:
        """Wait for its first response; the limit does not count while it waits for a change or for another server."""
        end = time.monotonic() + limit
        while self._is_worker_pending:
            self._poll_processes(0.02)
            if self._programs[0].child.process is None:
                end = time.monotonic() + limit
            elif time.monotonic() > end:
                raise _timeout_error(limit, "the API server", self._folder)

    def _run_forever(self) -> None:
        while True:
            self._poll_processes(_POLL_INTERVAL)

    def _watch_files(self) -> None:
        self._is_watching = self.options.reload and self._file_watcher.start()
        if self.options.reload and not self._is_watching:
            self._print("Without watchfiles, changes are not noticed: pip install 'undercroft[dev]'")

    def _poll_processes(self, pause: float) -> None:
        """Do once what is due. Raises `SystemExit` when a program waits for a change that nobody would notice."""
        self._sleep(pause)
        for managed in (*self._servers, *self._programs):
            said = managed.poll()
            if managed.fatal_exit_code is not None and not self._is_watching:
                raise SystemExit(managed.fatal_exit_code)
            self._print(said)
        self._start_worker_when_ready()
        self._apply_stop_request()
        self._restart_reaper()
        if self._file_watcher.pop_change():
            self._print("Something changed; starting the API server and the worker anew")
            self._restart_programs()

    def _apply_stop_request(self) -> None:
        for managed in self._servers:
            if isinstance(managed.child, PostgresServer):
                wanted = control.is_stop_requested(self._folder)
                if wanted and not managed.paused:
                    managed.paused = True
                    managed.stop()
                elif not wanted and managed.paused:
                    managed.schedule_restart()

    def _restart_reaper(self) -> None:
        if self._reaper.process is not None and self._reaper.process.poll() is not None:
            self._reaper.start()
            for managed in (*self._servers, *self._programs):
                managed.watch_again()

    def _restart_programs(self) -> None:
        for managed in self._programs:
            managed.terminate()
        for managed in self._programs:
            managed.stop()
            managed.paused = True
        self._programs[0].schedule_restart()
        self._is_worker_pending = True

    def _start_worker_when_ready(self) -> None:
        """What is wrong with the code stops both; it is enough that the first of them says so."""
        if (
            self._is_worker_pending
            and self._programs[0].child.process is not None
            and is_healthy(self.options.address, self.options.port)
        ):
            self._is_worker_pending = False
            for managed in self._programs[1:]:
                managed.schedule_restart()

    def _start_managed(self, managed_processes: list[ManagedProcess], managed: ManagedProcess) -> None:
        managed_processes.append(managed)
        managed.start()

    def _wait(self, done: Callable[[], bool], what: str = "", limit: float | None = None) -> None:
        end = time.monotonic() + limit if limit else math.inf
        while not done():
            self._sleep(0.02)
            if limit and time.monotonic() > end:
                raise _timeout_error(limit, what, self._folder)

    def _sleep(self, seconds: float = _POLL_INTERVAL) -> None:
        """Pause; raises `StopRequested` when we are to stop."""
        if self._stop_requested_at is None:
            time.sleep(seconds)
        if self._stop_requested_at is not None or self._parent_watcher.has_exited():
            raise StopRequested

    def _stop_all(self) -> None:
        self._file_watcher.stop()
        for managed in self._programs:
            managed.terminate()
        for managed in (*self._programs, *self._servers):
            managed.stop()
        self._reaper.stop()

    def _install_signal_handlers(self) -> None:
        """Also where a shell has had us ignore them (`make dev &` in a script); only `nohup` is respected."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                signal.signal(number, self._handle_signal)

    def _handle_signal(self, *_: Any) -> None:
        """The first one asks; another one, half a second later or more (launchers repeat it), kills."""
        now = time.monotonic()
        if self._stop_requested_at is None:
            self._stop_requested_at = now
        elif now - self._stop_requested_at > 0.5:
            for managed in (*self._programs, *self._servers):
                managed.kill()
            os._exit(130)

    def _print_step(self, step: str) -> None:
        """Show progress at the first start, which takes longest; later ones take a few seconds and stay silent."""
        if self._is_first_start:
            self._print(f"  {step} ...")

    def _print(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()


def _timeout_error(limit: float, what: str, folder: Path) -> ConfigurationError:
    return ConfigurationError(f"Waited {limit:.0f} s for {what}. Its log is in {folder}.")
