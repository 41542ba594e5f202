"""The servers of one test run, kept by a process of its own that ends when the run does, however it ends.

The first pytest process that needs them starts the keeper under a file lock; it starts PostgreSQL and Valkey, makes the
roles and a migrated template database, and writes down where everything is.
"""

import asyncio
import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs, machine, roles
from undercroft.devstack.postgres import NON_DURABLE_SETTINGS, PostgresServer
from undercroft.devstack.valkey import IN_MEMORY, ValkeyServer

_SERVERS_FILE = "servers.json"
_LOG = "keeper.log"


@dataclass(frozen=True)
class Servers:
    """Where one run's servers are. `manager_url` may make databases; the others differ by role only."""

    manager_url: str
    owner_url: str
    app_url: str
    admin_url: str
    template: str
    redis_url: str

    @property
    def has_one_role(self) -> bool:
        """Whether the application's role owns the tables, as it does on a server named by TEST_DATABASE_URL."""
        return self.app_url == self.owner_url

    @classmethod
    def get_or_start(cls, folder: Path) -> Self:
        """The servers of the run with this folder, started if they are not yet there.

        Raises `ConfigurationError` with the keeper's words when they cannot be started.
        """
        folder.mkdir(mode=0o755, exist_ok=True)
        with machine.file_lock(folder / "lock", wait=True):
            if not (folder / _SERVERS_FILE).exists():
                _start_supervisor(folder)
        return cls(**json.loads((folder / _SERVERS_FILE).read_text()))


def with_database(url: str, database: str) -> str:
    """The same server and role, another database."""
    return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))


def stop_servers(folder: Path, limit: float = 15) -> None:
    """Stop the servers of a run and remove its folder. Does nothing when none were started."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int((folder / "keeper.pid").read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and (folder / "keeper.pid").exists():
            time.sleep(0.02)
        if (folder / "keeper.pid").exists():
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _start_supervisor(folder: Path, limit: float = 120) -> None:
    run = int(folder.name.split("-")[2])
    command = [sys.executable, "-m", "undercroft.testing.servers", str(folder), str(run)]
    with (folder / _LOG).open("ab") as log:
        keeper = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=not machine.WINDOWS
        )
    deadline = time.monotonic() + limit
    while not (folder / _SERVERS_FILE).exists():
        if keeper.poll() is not None or time.monotonic() > deadline:
            words = (folder / _LOG).read_text(errors="replace").strip()
            raise ConfigurationError(f"The servers for the tests could not be started:\n{words}")
        time.sleep(0.02)
    keeper.returncode = 0  # it is not ours to wait for


class ServerSupervisor:
    """Holds the servers until SIGTERM or until the process of the test run is gone."""

    def __init__(self, folder: Path, run: int) -> None:
        self._folder = folder
        self._run = run
        self._is_stop_requested = False
        self._started: list[PostgresServer | ValkeyServer] = []
        self._databases: list[str] = []

    def supervise(self) -> None:
        signal.signal(signal.SIGTERM, self._handle_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        mark = self._folder / "keeper.pid"
        mark.write_text(str(os.getpid()))
        try:
            self._write_servers_file(asyncio.run(self._prepare()))
            while not self._is_stop_requested and _is_alive(self._run):
                time.sleep(0.1)
        finally:
            self._stop()
            mark.unlink(missing_ok=True)
            if not _is_alive(self._run):
                shutil.rmtree(self._folder, ignore_errors=True)

    def _handle_signal(self, *_: Any) -> None:
        self._is_stop_requested = True

    def _write_servers_file(self, servers: Servers) -> None:
        half = self._folder / "servers.half"
        half.touch(mode=0o600)
        half.write_text(json.dumps(asdict(servers)))
        half.rename(self._folder / _SERVERS_FILE)

    async def _prepare(self) -> Servers:
        redis_url = os.environ.get("TEST_REDIS_URL") or self._start_valkey()
        given = os.environ.get("TEST_DATABASE_URL")
        servers = self._use_given_server(given, redis_url) if given else await self._start_postgres(redis_url)
        await self._make_template(servers)
        for server in self._started:
            server.wait_until_ready()
        return servers

    def _use_given_server(self, url: str, redis_url: str) -> Servers:
        template = f"undercroft_test_{self._run}_{secrets.token_hex(3)}"
        return Servers(
            url,
            with_database(url, template),
            with_database(url, template),
            with_database(url, template),
            template,
            redis_url,
        )

    def _start_valkey(self) -> str:
        valkey = ValkeyServer(self._folder, machine.free_port(), secrets.token_hex(8), IN_MEMORY)
        self._started.append(valkey)
        valkey.start()
        return valkey.url

    async def _start_postgres(self, redis_url: str) -> Servers:
        postgres = PostgresServer(self._folder, machine.free_port(), secrets.token_hex(8), dict(NON_DURABLE_SETTINGS))
        self._started.append(postgres)
        postgres.start()
        postgres.wait_until_ready()
        three = roles.Roles(
            secrets.token_hex(8), secrets.token_hex(8), secrets.token_hex(8), database="undercroft_template"
        )
        await roles.ensure(postgres.url, three)
        owner, app, admin = (three.url(role, "127.0.0.1", postgres.port) for role in ("owner", "app", "admin"))
        return Servers(postgres.url, owner, app, admin, three.database, redis_url)

    async def _make_template(self, servers: Servers) -> None:
        import asyncpg

        from undercroft.app.migrations import upgrade_all

        if os.environ.get("TEST_DATABASE_URL"):
            manager = await asyncpg.connect(servers.manager_url)
            await manager.execute(f'CREATE DATABASE "{servers.template}"')
            await manager.close()
            self._databases.append(servers.template)
        _configure(servers, self._folder)
        await upgrade_all(servers.owner_url)
        await self._make_signing_keys()

    async def _make_signing_keys(self) -> None:
        """Once for all workers and tests: making them takes long."""
        from undercroft.core.db import Database, DatabaseSettings
        from undercroft.core.settings import load
        from undercroft.modules.auth.services import AuthServices

        database = Database(load(DatabaseSettings))
        await AuthServices.create(database).keys.ensure()
        await database.close()

    def _stop(self) -> None:
        if self._databases:
            with contextlib.suppress(Exception):
                asyncio.run(_drop_all(os.environ["TEST_DATABASE_URL"], self._databases[0]))
        for server in self._started:
            server.stop()
        for name in ("postgres", "valkey"):
            data_dirs.delete_data_dir(self._folder, name)


def _configure(servers: Servers, folder: Path) -> None:
    """Settings as the tests will have them. Raises `ConfigurationError` when row-level security cannot be tried."""
    from undercroft.core.db import DatabaseSettings
    from undercroft.core.settings import load
    from undercroft.testing.configuration import configure

    configure(app_url=servers.app_url, owner_url=servers.owner_url, admin_url=servers.admin_url, mailbox=folder)
    if load(DatabaseSettings).tenant_rls and servers.has_one_role:
        raise ConfigurationError(
            "TENANT_RLS is on, but the one role of TEST_DATABASE_URL owns the tables, and row-level security does not "
            "bind it. Leave TEST_DATABASE_URL out: the embedded PostgreSQL has the roles for it."
        )


async def _drop_all(url: str, template: str) -> None:
    """Drop the template and everything that was cloned from it."""
    import asyncpg

    manager = await asyncpg.connect(url)
    try:
        names = await manager.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", template)
        for name in names:
            await manager.execute(f'DROP DATABASE IF EXISTS "{name["datname"]}" WITH (FORCE)')
    finally:
        await manager.close()


def _is_alive(pid: int) -> bool:
    if machine.LINUX:
        try:
            return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
        except OSError:
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def main() -> None:
    try:
        ServerSupervisor(Path(sys.argv[1]), int(sys.argv[2])).supervise()
    except ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
