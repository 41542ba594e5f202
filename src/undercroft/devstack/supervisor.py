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
from undercroft.devstack.banner import LOOPBACK, banner
from undercroft.devstack.changes import Changes
from undercroft.devstack.kin import Kin
from undercroft.devstack.listening import require_port, responds
from undercroft.devstack.parts import MISTAKES, Care, Guard, Program
from undercroft.devstack.postgres import PostgresServer
from undercroft.devstack.standins import catalogue
from undercroft.devstack.state import DevState
from undercroft.devstack.surroundings import Surroundings
from undercroft.devstack.valkey import ValkeyServer

_BEAT, _LONGEST_PAUSE = 0.1, 10.0
_WORKER = {"JOBS_STOP_TIMEOUT": "1.5"}


class Ended(Exception):
    """Somebody wants us to stop."""


@dataclass(frozen=True)
class Options:
    """Where to listen, whether to reload on changes, where the state is, and which outside services to stand in for."""

    host: str = "127.0.0.1"
    port: int = 8000
    reload: bool = True
    folder: Path = Path(".undercroft")
    started: float = 0.0
    standins: tuple[str, ...] = ()

    @property
    def address(self) -> str:
        """The address that the server can be reached at from this machine."""
        return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.host, self.host)  # noqa: S104 - compared, not bound

    @property
    def url(self) -> str:
        """What a person opens: by name where that is possible, since browsers allow passkeys at no IP address."""
        host = "localhost" if self.address in LOOPBACK else self.address
        return f"http://[{host}]:{self.port}" if ":" in host else f"http://{host}:{self.port}"


class Supervisor:
    """One development stack, from start to end."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self._folder = options.folder
        self._kin = Kin()
        self._guard = Guard()
        self._servers: list[Care] = []
        self._programs: list[Care] = []
        self._changes = Changes(Path.cwd())
        self._asked: float | None = None
        self._is_first_start = False
        self._worker_waits = False
        self._watches = False

    def run(self) -> None:
        """Run until Ctrl-C, SIGTERM or the end of those who started us.

        Raises `ConfigurationError` when something does not allow it.
        """
        for name in self.options.standins:
            catalogue.require_known(name)
        require_port(self.options.host, self.options.port)
        surroundings = Surroundings()
        state.prepare(self._folder)
        self._listen_to_signals()
        with state.sole(self._folder), contextlib.suppress(Ended):
            try:
                self._run(surroundings)
            finally:
                self._stop_all()

    def _run(self, surroundings: Surroundings) -> None:
        kept = DevState.of(self._folder)
        kept.choose_ports()
        kept.url = self.options.url
        kept.write(self._folder)
        control.wake(self._folder)
        self._guard.start()
        self._is_first_start = surroundings.database_mark not in kept.seeded
        environment = surroundings.environment(kept)
        environment |= self._start_servers(surroundings, kept)
        environment |= self._start_standins(surroundings, kept)
        self._watch_files()
        self._fill_database(surroundings, kept, environment)
        self._start_programs(environment)
        standins = {name: catalogue.port_of(name, kept) for name in self.options.standins}
        self._say(banner(self.options, surroundings.value("DEMO_PASSWORD") or kept.demo_password, standins))
        self._look_after()

    def _start_servers(self, surroundings: Surroundings, kept: DevState) -> dict[str, str]:
        """Start what the project has not got; returns what our programs must know of it besides."""
        postgres = None if surroundings.has_database else self._postgres(kept)
        redis = None if surroundings.has_redis or not valkey.available() else self._valkey(kept)
        if self._servers:
            self._report(f"Starting {' and '.join(server.name for server in self._servers)}")
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

    def _start_standins(self, surroundings: Surroundings, kept: DevState) -> dict[str, str]:
        """Start them; returns the settings that lead there, but for those that the project sets itself."""
        told: dict[str, str] = {}
        for name in self.options.standins:
            told |= catalogue.settings_of(name, kept)
            port = str(catalogue.port_of(name, kept))
            standin = Program(port, environment={}, module=f"undercroft.devstack.standins.{name}")
            self._begin(self._servers, Care(f"The stand-in {name}", standin, self._guard))
        return {name: value for name, value in told.items() if not surroundings.value(name)}

    def _postgres(self, kept: DevState) -> PostgresServer:
        postgres = PostgresServer(self._folder, kept.postgres_port, kept.postgres_password)
        if not postgres.has_data:
            kept.forget_data()
            kept.write(self._folder)
        self._begin(self._servers, Care("PostgreSQL", postgres, self._guard))
        return postgres

    def _valkey(self, kept: DevState) -> ValkeyServer:
        server = ValkeyServer(self._folder, kept.valkey_port, kept.valkey_password)
        self._begin(self._servers, Care("Valkey", server, self._guard))
        return server

    def _fill_database(self, surroundings: Surroundings, kept: DevState, environment: dict[str, str]) -> None:
        """Migrate and seed a database that this project has not seen; later, the API server migrates as it starts."""
        mark = surroundings.database_mark
        if mark in kept.seeded:
            return
        self._is_first_start = True
        self._report("Creating the tables")
        # Nothing is in our own yet, also when an earlier first start ended between two migrations.
        carefully = () if mark == state.EMBEDDED else ("--lossless",)
        self._run_to_end(Program("migrate", "upgrade", *carefully, environment=environment, quiet=True))
        self._report("Adding demo data")
        self._run_to_end(Program("seed", environment=environment, quiet=True))
        kept.seeded.append(mark)
        kept.write(self._folder)

    def _run_to_end(self, program: Program) -> None:
        """Run it until it succeeds: after a mistake in the code once more at each change of files."""
        care = Care("", program, self._guard)
        pause = _BEAT
        while (code := self._exit_code(care, program)) != 0:
            if not self._watches:
                raise SystemExit(code)
            if code in MISTAKES:
                self._say("This is tried again when a file changes")
                self._wait(self._changes.seen)
            else:
                pause = min(pause * 2, _LONGEST_PAUSE)
                self._beat(pause)

    def _exit_code(self, care: Care, program: Program) -> int:
        care.start()
        try:
            self._wait(program.has_ended, "the database", 300)
        except SystemExit as ended:
            return int(ended.code or 0)
        finally:
            care.stop()
        return 0

    def _start_programs(self, environment: dict[str, str]) -> None:
        """The API server first; the worker once that responds, so that an error shows once and a start is quick."""
        where = ("--host", self.options.host, "--port", str(self.options.port))
        self._report("Starting the API server")
        api = Program("serve", "all", *where, environment=environment)
        self._begin(self._programs, Care("The API server", api, self._guard))
        worker = Care("The worker", Program("worker", environment={**environment, **_WORKER}), self._guard)
        worker.resting = self._worker_waits = True
        self._programs.append(worker)
        self._await_server()

    def _await_server(self, limit: float = 120) -> None:
        """Wait for its first response; the limit does not count while it waits for a change or for another server."""
        end = time.monotonic() + limit
        while self._worker_waits:
            self._turn(0.02)
            if self._programs[0].part.process is None:
                end = time.monotonic() + limit
            elif time.monotonic() > end:
                raise _waited(limit, "the API server", self._folder)

    def _look_after(self) -> None:
        while True:
            self._turn(_BEAT)

    def _watch_files(self) -> None:
        self._watches = self.options.reload and self._changes.start()
        if self.options.reload and not self._watches:
            self._say("Without watchfiles, changes are not noticed: pip install 'undercroft[dev]'")

    def _turn(self, pause: float) -> None:
        """Do once what is due. Raises `SystemExit` when a program waits for a change that nobody would notice."""
        self._beat(pause)
        for care in (*self._servers, *self._programs):
            said = care.tend()
            if care.mistake is not None and not self._watches:
                raise SystemExit(care.mistake)
            self._say(said)
        self._start_worker_after_the_server()
        self._rest_or_wake()
        self._guard_the_guard()
        if self._changes.seen():
            self._say("Something changed; starting the API server and the worker anew")
            self._renew_programs()

    def _rest_or_wake(self) -> None:
        for care in self._servers:
            if isinstance(care.part, PostgresServer):
                wanted = control.is_resting(self._folder)
                if wanted and not care.resting:
                    care.resting = True
                    care.stop()
                elif not wanted and care.resting:
                    care.renew()

    def _guard_the_guard(self) -> None:
        if self._guard.process is not None and self._guard.process.poll() is not None:
            self._guard.start()
            for care in (*self._servers, *self._programs):
                care.register()

    def _renew_programs(self) -> None:
        for care in self._programs:
            care.ask_to_end()
        for care in self._programs:
            care.stop()
            care.resting = True
        self._programs[0].renew()
        self._worker_waits = True

    def _start_worker_after_the_server(self) -> None:
        """What is wrong with the code stops both; it is enough that the first of them says so."""
        if (
            self._worker_waits
            and self._programs[0].part.process is not None
            and responds(self.options.address, self.options.port)
        ):
            self._worker_waits = False
            for care in self._programs[1:]:
                care.renew()

    def _begin(self, cares: list[Care], care: Care) -> None:
        cares.append(care)
        care.start()

    def _wait(self, done: Callable[[], bool], what: str = "", limit: float | None = None) -> None:
        end = time.monotonic() + limit if limit else math.inf
        while not done():
            self._beat(0.02)
            if limit and time.monotonic() > end:
                raise _waited(limit, what, self._folder)

    def _beat(self, seconds: float = _BEAT) -> None:
        """Pause; raises `Ended` when we are to stop."""
        if self._asked is None:
            time.sleep(seconds)
        if self._asked is not None or self._kin.is_gone():
            raise Ended

    def _stop_all(self) -> None:
        self._changes.stop()
        for care in self._programs:
            care.ask_to_end()
        for care in (*self._programs, *self._servers):
            care.stop()
        self._guard.stop()

    def _listen_to_signals(self) -> None:
        """Also where a shell has had us ignore them (`make dev &` in a script); only `nohup` is respected."""
        for name in ("SIGINT", "SIGTERM", "SIGHUP", "SIGBREAK"):
            number = getattr(signal, name, None)
            if number is not None and not (name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN):
                signal.signal(number, self._end)

    def _end(self, *_: Any) -> None:
        """The first one asks; another one, half a second later or more (launchers repeat it), kills."""
        now = time.monotonic()
        if self._asked is None:
            self._asked = now
        elif now - self._asked > 0.5:
            for care in (*self._programs, *self._servers):
                care.kill()
            os._exit(130)

    def _report(self, step: str) -> None:
        """Show progress at the first start, which takes longest; later ones take a few seconds and stay silent."""
        if self._is_first_start:
            self._say(f"  {step} ...")

    def _say(self, text: str) -> None:
        if text:
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"{text}\n")
                sys.stderr.flush()


def _waited(limit: float, what: str, folder: Path) -> ConfigurationError:
    return ConfigurationError(f"Waited {limit:.0f} s for {what}. Its log is in {folder}.")
