"""The servers of a test run, managed by a separate supervisor process, which ends with the run.

The first pytest process that needs the servers starts the supervisor, holding a file lock. The supervisor starts
PostgreSQL and Valkey, creates the roles and a migrated template database, and writes the URLs to a file.
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
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

from undercroft.core.audit import AuditTrail
from undercroft.core.context import AppContext, use_context
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.connect import open_connection
from undercroft.core.errors import ConfigurationError
from undercroft.core.settings import load
from undercroft.devstack import data_dirs, machine, roles
from undercroft.devstack.postgres import NON_DURABLE_SETTINGS, PostgresServer
from undercroft.devstack.reaper import is_alive
from undercroft.devstack.valkey import IN_MEMORY, ValkeyServer
from undercroft.testing.configuration import configure

_SERVERS_FILE = "servers.json"
_PID_FILE = "supervisor.pid"
_LOG = "supervisor.log"


@dataclass(frozen=True)
class Servers:
    """The URLs of a run's servers. `manager_url` can create databases; the others differ only by role."""

    manager_url: str
    owner_url: str
    app_url: str
    admin_url: str
    template: str
    redis_url: str

    @property
    def has_one_role(self) -> bool:
        """Whether the application role owns the tables, as it does with TEST_DATABASE_URL."""
        return self.app_url == self.owner_url

    @classmethod
    def get_or_start(cls, folder: Path) -> Self:
        """Return the servers of the run with this folder, and start them if necessary.

        Raises `ConfigurationError` with the supervisor's log if they cannot be started.
        """
        folder.mkdir(mode=0o755, exist_ok=True)
        with machine.file_lock(folder / "lock", wait=True):
            if not (folder / _SERVERS_FILE).exists():
                _start_supervisor(folder)
        return cls(**json.loads((folder / _SERVERS_FILE).read_text()))

    @staticmethod
    def with_database(url: str, database: str) -> str:
        """Return the URL with another database."""
        return urlunsplit(urlsplit(url)._replace(path=f"/{database}"))

    @contextlib.asynccontextmanager
    async def create_database(self, name: str, *, template: str = "template1") -> AsyncIterator[None]:
        """Create a database of the owner role, and drop it after the block."""
        owner = urlsplit(self.owner_url).username
        async with open_connection(self.manager_url) as manager:
            await manager.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" OWNER "{owner}"')
            try:
                yield
            finally:
                await manager.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def stop_servers(folder: Path, limit: float = 15) -> None:
    """Stop the servers of a run and remove its folder. Does nothing if none were started."""
    with contextlib.suppress(FileNotFoundError, ValueError, ProcessLookupError):
        pid = int((folder / _PID_FILE).read_text())
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and (folder / _PID_FILE).exists():
            time.sleep(0.02)
        if (folder / _PID_FILE).exists():
            os.kill(pid, signal.SIGKILL)
    shutil.rmtree(folder, ignore_errors=True)


def _start_supervisor(folder: Path, limit: float = 120) -> None:
    run = int(folder.name.split("-")[2])
    command = [sys.executable, "-m", "undercroft.testing.servers", str(folder), str(run)]
    with (folder / _LOG).open("ab") as log:
        supervisor = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=not machine.WINDOWS
        )
    deadline = time.monotonic() + limit
    while not (folder / _SERVERS_FILE).exists():
        if supervisor.poll() is not None or time.monotonic() > deadline:
            output = (folder / _LOG).read_text(errors="replace").strip()
            raise ConfigurationError(f"The test servers could not be started:\n{output}")
        time.sleep(0.02)
    supervisor.returncode = 0  # this process does not wait for it


class ServerSupervisor:
    """Runs the servers until SIGTERM or until the process of the test run has ended."""

    def __init__(self, folder: Path, run: int) -> None:
        self._folder = folder
        self._run = run
        self._is_stop_requested = False
        self._started: list[PostgresServer | ValkeyServer] = []
        self._made_template = ""

    def supervise(self) -> None:
        signal.signal(signal.SIGTERM, self._handle_signal)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        pid_file = self._folder / _PID_FILE
        pid_file.write_text(str(os.getpid()))
        try:
            self._write_servers_file(asyncio.run(self._prepare()))
            while not self._is_stop_requested and is_alive(self._run):
                time.sleep(0.1)
        finally:
            self._stop()
            pid_file.unlink(missing_ok=True)
            if not is_alive(self._run):
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
        owned = Servers.with_database(url, template)
        return Servers(url, owned, owned, owned, template, redis_url)

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
        owner, app, admin = (secrets.token_hex(8) for _ in range(3))
        three = roles.Roles(owner, app, admin, database="undercroft_template")
        await roles.ensure(postgres.url, three)
        owner, app, admin = (three.url(role, "127.0.0.1", postgres.port) for role in ("owner", "app", "admin"))
        return Servers(postgres.url, owner, app, admin, three.database, redis_url)

    async def _make_template(self, servers: Servers) -> None:
        from undercroft.app.migrations import upgrade_all

        if os.environ.get("TEST_DATABASE_URL"):
            async with open_connection(servers.manager_url) as manager:
                await manager.execute(f'CREATE DATABASE "{servers.template}"')
            self._made_template = servers.template
        _configure(servers, self._folder)
        await upgrade_all(servers.owner_url)
        await self._make_signing_keys()

    async def _make_signing_keys(self) -> None:
        """Create the signing keys once for all workers and tests, because it is slow. Leaves no audit entry."""
        from undercroft.modules.sessions import SessionServices

        database = Database(load(DatabaseSettings))
        context = AppContext()
        context.add(AuditTrail, AuditTrail(_DiscardingSink()))
        with use_context(context):
            await SessionServices.create(database).keys.ensure()
        await database.close()

    def _stop(self) -> None:
        if self._made_template:
            with contextlib.suppress(Exception):
                asyncio.run(_drop_all(os.environ["TEST_DATABASE_URL"], self._made_template))
        for server in self._started:
            server.stop()
        for name in ("postgres", "valkey"):
            data_dirs.delete_data_dir(self._folder, name)


class _DiscardingSink:
    """An audit sink that stores nothing."""

    async def write(self, *_: Any) -> None: ...

    async def write_one(self, *_: Any) -> None: ...


def _configure(servers: Servers, folder: Path) -> None:
    """Apply the settings of the tests. Raises `ConfigurationError` if row-level security cannot be tested."""
    configure(app_url=servers.app_url, owner_url=servers.owner_url, admin_url=servers.admin_url, mailbox=folder)
    if load(DatabaseSettings).tenant_rls and servers.has_one_role:
        raise ConfigurationError(
            "TENANT_RLS is on, but the role of TEST_DATABASE_URL owns the tables and bypasses row-level security. "
            "Unset TEST_DATABASE_URL: the embedded PostgreSQL has separate roles."
        )


async def _drop_all(url: str, template: str) -> None:
    """Also drop all clones of the template."""
    async with open_connection(url) as manager:
        names = await manager.fetch("SELECT datname FROM pg_database WHERE starts_with(datname, $1)", template)
        for name in names:
            await manager.execute(f'DROP DATABASE IF EXISTS "{name["datname"]}" WITH (FORCE)')


def main() -> None:
    try:
        ServerSupervisor(Path(sys.argv[1]), int(sys.argv[2])).supervise()
    except ConfigurationError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
