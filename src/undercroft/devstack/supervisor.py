"""The supervisor of `undercroft dev`: starts the servers and programs, restarts them, and stops them all at the end.

The main thread starts all processes and polls them several times a second. There is no event loop, so that signals
are handled immediately.
"""

import asyncio
import contextlib
import math
import sys
import time
from collections.abc import Callable
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import CoreSettings, load
from undercroft.core.telemetry import error_file
from undercroft.devstack import control, roles, state, valkey
from undercroft.devstack.emulators import registry
from undercroft.devstack.environment import ProjectEnvironment
from undercroft.devstack.file_watcher import FileWatcher
from undercroft.devstack.machine import is_healthy, require_free_port
from undercroft.devstack.options import Options, banner
from undercroft.devstack.postgres import PostgresServer
from undercroft.devstack.processes import USER_ERROR_EXIT_CODES, ManagedProcess, Program, Reaper
from undercroft.devstack.state import ERROR_FILE, DevState
from undercroft.devstack.stop_signals import StopRequested, StopSignals
from undercroft.devstack.valkey import ValkeyServer

_POLL_INTERVAL, _MAX_BACKOFF = 0.1, 10.0
_WORKER_ENVIRONMENT = {"JOBS_STOP_TIMEOUT": "1.5"}


class Supervisor:
    """One development stack, from start to end."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._folder = options.folder
        self._stop_signals = StopSignals(self._kill_all)
        self._reaper = Reaper()
        self._servers: list[ManagedProcess] = []
        self._programs: list[ManagedProcess] = []
        self._file_watcher = FileWatcher(Path.cwd())
        self._is_first_start = False
        self._is_worker_pending = False
        self._is_watching = False

    def run(self) -> None:
        """Run until Ctrl-C, SIGTERM or the end of the parent process.

        Raises `ConfigurationError` if the stack cannot be started.
        """
        for name in self.options.emulators:
            registry.require_known(name)
        require_free_port(self.options.host, self.options.port)
        project = ProjectEnvironment()
        state.prepare(self._folder)
        self._stop_signals.install()
        with state.exclusive_lock(self._folder), contextlib.suppress(StopRequested):
            try:
                self._run(project)
            finally:
                self._stop_all()

    def _run(self, project: ProjectEnvironment) -> None:
        dev_state = DevState.read_for_start(self._folder)
        dev_state.choose_ports()
        dev_state.url = self.options.url
        dev_state.enabled_extensions = project.value("ENABLED_EXTENSIONS")
        dev_state.disabled_modules = project.value("DISABLED_MODULES")
        dev_state.write(self._folder)
        control.clear_stop_request(self._folder)
        self._reaper.start()
        self._is_first_start = project.database_fingerprint not in dev_state.seeded
        environment = project.environment(dev_state) | {error_file.VARIABLE: str(self._folder / ERROR_FILE)}
        environment |= self._start_servers(project, dev_state)
        environment |= self._start_emulators(project, dev_state)
        self._watch_files()
        self._migrate_and_seed(project, dev_state, environment)
        self._start_programs(environment)
        emulators = {name: registry.port_of(name, dev_state) for name in self.options.emulators}
        password = project.value("DEMO_PASSWORD") or dev_state.demo_password
        self._print(banner(self.options, password, emulators, load(CoreSettings).disabled_modules))
        while True:
            self._poll_processes(_POLL_INTERVAL)

    def _start_servers(self, project: ProjectEnvironment, dev_state: DevState) -> dict[str, str]:
        """Start the servers that the project does not configure itself; return additional settings for programs."""
        postgres = None if project.has_database else self._postgres(dev_state)
        redis = None if project.has_redis or not valkey.is_available() else self._valkey(dev_state)
        if self._servers:
            self._print_step(f"Starting {' and '.join(server.name for server in self._servers)}")
        if postgres is None:
            project.require_database()
        else:
            self._wait(postgres.is_ready, "PostgreSQL", 60)
            if not dev_state.roles_made:
                asyncio.run(roles.ensure(postgres.url, dev_state.roles))
                dev_state.roles_made = True
                dev_state.write(self._folder)
        if redis is None:
            return {}
        self._wait(redis.is_ready, "Valkey", 60)
        return {"REDIS_URL": redis.url}

    def _start_emulators(self, project: ProjectEnvironment, dev_state: DevState) -> dict[str, str]:
        """Start the emulators and return the settings that point to them, except those that the project sets."""
        settings: dict[str, str] = {}
        for name in self.options.emulators:
            settings |= registry.settings_of(name, dev_state)
            port = str(registry.port_of(name, dev_state))
            emulator = Program(port, environment={}, module=f"undercroft.devstack.emulators.{name}")
            self._start_managed(self._servers, ManagedProcess(f"The {name} emulator", emulator, self._reaper))
        return {name: value for name, value in settings.items() if not project.value(name)}

    def _postgres(self, dev_state: DevState) -> PostgresServer:
        postgres = PostgresServer(self._folder, dev_state.postgres_port, dev_state.postgres_password)
        if not postgres.has_data:
            dev_state.forget_database()
            dev_state.write(self._folder)
        self._start_managed(self._servers, ManagedProcess("PostgreSQL", postgres, self._reaper))
        return postgres

    def _valkey(self, dev_state: DevState) -> ValkeyServer:
        server = ValkeyServer(self._folder, dev_state.valkey_port, dev_state.valkey_password)
        self._start_managed(self._servers, ManagedProcess("Valkey", server, self._reaper))
        return server

    def _migrate_and_seed(self, project: ProjectEnvironment, dev_state: DevState, environment: dict[str, str]) -> None:
        """Migrate and seed a database at its first start. At later starts, the API server migrates it."""
        fingerprint = project.database_fingerprint
        if fingerprint in dev_state.seeded:
            return
        self._is_first_start = True
        self._print_step("Creating the tables")
        # The embedded database is still empty, even if an earlier first start ended between two migrations.
        options = () if fingerprint == state.EMBEDDED else ("--lossless",)
        self._run_until_success(Program("migrate", "upgrade", *options, environment=environment, quiet=True))
        self._print_step("Adding demo data")
        self._run_until_success(Program("seed", environment=environment, quiet=True))
        dev_state.seeded.append(fingerprint)
        dev_state.write(self._folder)

    def _run_until_success(self, program: Program) -> None:
        """Run it until it succeeds. After an error in code or settings, retry when a file changes."""
        managed = ManagedProcess("", program, self._reaper)
        pause = _POLL_INTERVAL
        while (code := self._exit_code(managed, program)) != 0:
            if not self._is_watching:
                raise SystemExit(code)
            if code in USER_ERROR_EXIT_CODES:
                self._print("Retrying when a file changes")
                self._wait(self._file_watcher.pop_change)
            else:
                pause = min(pause * 2, _MAX_BACKOFF)
                self._stop_signals.sleep(pause)

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
        """Start the API server, then the worker when the server responds, so that an error is reported only once."""
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
        """Wait until the API server responds. Time during which it is not running does not count toward the limit."""
        end = time.monotonic() + limit
        while self._is_worker_pending:
            self._poll_processes(0.02)
            if self._programs[0].child.process is None:
                end = time.monotonic() + limit
            elif time.monotonic() > end:
                raise _timeout_error(limit, "the API server", self._folder)

    def _watch_files(self) -> None:
        self._is_watching = self.options.reload and self._file_watcher.start()
        if self.options.reload and not self._is_watching:
            self._print("Hot reload needs watchfiles: pip install 'undercroft[dev]'")

    def _poll_processes(self, pause: float) -> None:
        """Run one iteration of the main loop. Raises `SystemExit` after a fatal error if files are not watched."""
        self._stop_signals.sleep(pause)
        for managed in (*self._servers, *self._programs):
            message = managed.poll()
            if managed.fatal_exit_code is not None and not self._is_watching:
                raise SystemExit(managed.fatal_exit_code)
            self._print(message)
        self._start_worker_when_ready()
        self._apply_stop_request()
        self._restart_reaper()
        if path := self._file_watcher.pop_change():
            self._print(f"{path} changed, restarting")
            self._restart_programs()

    def _apply_stop_request(self) -> None:
        for managed in self._servers:
            if isinstance(managed.child, PostgresServer):
                stop_requested = control.is_stop_requested(self._folder)
                if stop_requested and not managed.paused:
                    managed.paused = True
                    managed.stop()
                elif not stop_requested and managed.paused:
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
        """Start the worker after the API server responds, so that an error in the code is reported only once."""
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

    def _wait(self, done: Callable[[], object], name: str = "", limit: float | None = None) -> None:
        end = time.monotonic() + limit if limit else math.inf
        while not done():
            self._stop_signals.sleep(0.02)
            if limit and time.monotonic() > end:
                raise _timeout_error(limit, name, self._folder)

    def _stop_all(self) -> None:
        self._file_watcher.stop()
        for managed in self._programs:
            managed.terminate()
        for managed in (*self._programs, *self._servers):
            managed.stop()
        self._reaper.stop()

    def _kill_all(self) -> None:
        for managed in (*self._programs, *self._servers):
            managed.kill()

    def _print_step(self, step: str) -> None:
        """Print progress at the first start, which takes longest; later starts print none."""
        if self._is_first_start:
            self._print(f"  {step} ...")

    def _print(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()


def _timeout_error(limit: float, name: str, folder: Path) -> ConfigurationError:
    return ConfigurationError(f"Timed out after {limit:.0f} s waiting for {name}. See the logs in {folder}.")
