"""Startup of `serve` and `worker` on the schema of another release, and while the database is down."""

import asyncio
import os
import signal
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import httpx2 as httpx
import pytest

from tests.app.test_server import SECRET
from tests.cli.command_runner import get_program, run_command
from tests.enabled import SAME_MODULES
from undercroft.app.migrations import histories, upgrade_all
from undercroft.app.schema import build_row_security
from undercroft.core.db import migrations
from undercroft.core.db.migrations import History
from undercroft.devstack.machine import free_port

SETTINGS = {
    "ENVIRONMENT": "test",
    "SECRET_KEY": SECRET,
    "TENANT_RLS": "off",
    **SAME_MODULES,
    "UNDERCROFT_ENV_FILE": "nowhere",
}
SHARED = {"TENANT_RLS": os.environ.get("TENANT_RLS", "off")}
"""Settings for the shared test database, which has row-level security if the test run has it."""


class Command:
    """An `undercroft` command; its output is read while it runs.

    It is forked from a process that has imported the application, unless it starts processes itself.
    """

    def __init__(self, process: Process) -> None:
        self.process = process
        self.output = ""

    @classmethod
    async def start(cls, *words: str, **environment: str) -> "Command":
        real = (sys.executable, "-m", "undercroft.cli")
        command = real if environment.get("WEB_CONCURRENCY") == "2" else (str(get_program()),)
        whole = {"PATH": os.environ["PATH"], **SETTINGS, **environment}
        return cls(await asyncio.create_subprocess_exec(*command, *words, env=whole, stdout=PIPE, stderr=STDOUT))

    async def wait_for_output(self, words: str) -> None:
        """Read until these words have been printed. Fails if the command ends first."""
        assert self.process.stdout is not None
        async with asyncio.timeout(60):
            while words not in self.output:
                line = await self.process.stdout.readline()
                assert line, self.output
                self.output += line.decode()

    async def end(self) -> int:
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        async with asyncio.timeout(60):
            rest, _ = await self.process.communicate()
        self.output += rest.decode()
        return self.process.returncode or 0


async def _execute(url: str, *statements: str) -> None:
    connection = await asyncpg.connect(url)
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


NEWER = (
    "UPDATE core_alembic_version SET version_num = '9999_future'",
    """INSERT INTO undercroft_migrations (history, revision, down_revision, backward_compatible)
    SELECT 'core', '9999_future', max(revision), {compatible} FROM undercroft_migrations WHERE history = 'core'""",
)


@pytest.fixture
async def newer_url(migrated_database_url: str) -> str:
    """A database migrated by a newer, compatible release."""
    await upgrade_all(migrated_database_url, rls=build_row_security(enabled=False))
    await _execute(migrated_database_url, *(statement.format(compatible=True) for statement in NEWER))
    return migrated_database_url


async def test_server_starts_on_a_newer_schema_with_one_warning(tmp_path: Path, newer_url: str) -> None:
    port = free_port()
    serving = await Command.start("serve", "--port", str(port), DATABASE_URL=newer_url)
    try:
        await serving.wait_for_output("newer than this release")
        assert "9999_future of core" in serving.output
        await _wait_until_healthy(port)
    finally:
        assert await serving.end() == 0
    assert serving.output.count("newer than this release") == 1


async def test_worker_and_commands_start_on_a_newer_schema(newer_url: str, tmp_path: Path) -> None:
    worker = await Command.start("worker", DATABASE_URL=newer_url)
    try:
        await worker.wait_for_output("worker.started")
    finally:
        assert await worker.end() == 0
    assert worker.output.count("newer than this release") == 1
    environment = SETTINGS | {"ENVIRONMENT": "development", "DEMO_PASSWORD": "a demo password 123"}
    for words in (("seed",), ("migrate", "upgrade"), ("doctor",)):
        seen = run_command(*words, folder=tmp_path, **environment, DATABASE_URL=newer_url)
        assert seen.code == 0, seen


@pytest.mark.parametrize("words", [("serve",), ("worker",)], ids=" ".join)
async def test_schema_that_excludes_older_releases_is_refused(
    migrated_database_url: str, words: tuple[str, ...]
) -> None:
    await upgrade_all(migrated_database_url, rls=build_row_security(enabled=False))
    await _execute(migrated_database_url, *(statement.format(compatible=False) for statement in NEWER))
    command = await Command.start(*words, DATABASE_URL=migrated_database_url)
    async with asyncio.timeout(60):
        output, _ = await command.process.communicate()
    assert command.process.returncode == 2, output.decode()
    assert "9999_future of core excludes older releases" in output.decode()
    assert "Install the newer release" in output.decode()


async def test_application_role_can_read_but_not_write_the_migrations_table(database_url: str, owner_url: str) -> None:
    if database_url == owner_url:
        pytest.skip("This server has one role for everything")
    connection = await asyncpg.connect(database_url)
    try:
        assert await connection.fetchval("SELECT count(revision) FROM undercroft_migrations") > 0
        for statement in (
            "SELECT downgrade FROM undercroft_migrations",
            "UPDATE undercroft_migrations SET downgrade = '{}'",
            "DELETE FROM undercroft_migrations",
            "INSERT INTO undercroft_migrations (history, revision, backward_compatible) VALUES ('a', 'b', true)",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


class Proxy:
    """A TCP proxy to PostgreSQL that is closed at first, as if the server were down."""

    def __init__(self, url: str) -> None:
        self._host, self._port = url.rpartition("@")[2].partition("/")[0].rsplit(":", 1)
        self._server: asyncio.Server | None = None
        self._tasks = set[asyncio.Task[None]]()
        self.port = free_port()
        self.url = url.replace(f"{self._host}:{self._port}", f"127.0.0.1:{self.port}")

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)

    async def close(self) -> None:
        """Close all connections, as if the server went down."""
        if self._server is not None:
            self._server.close()
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            self._server = None

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        to_reader, to_writer = await asyncio.open_connection(self._host, int(self._port))
        pairs = ((reader, to_writer), (to_reader, writer))
        for task in [asyncio.create_task(_copy(source, target)) for source, target in pairs]:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(1 << 16):
            target.write(data)
            await target.drain()
    except OSError:
        pass
    finally:
        target.close()


@pytest.fixture
async def proxy(database_url: str) -> AsyncIterator[Proxy]:
    behind = Proxy(database_url)
    yield behind
    await behind.close()


async def _wait_until_healthy(port: int) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            try:
                if (await http.get(f"http://127.0.0.1:{port}/api/v1/public/health/ready")).status_code == 200:
                    return
            except httpx.TransportError:
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("processes", ["1", "2"])
async def test_server_waits_for_an_unavailable_database_and_logs_once(proxy: Proxy, processes: str) -> None:
    port = free_port()
    serving = await Command.start(
        "serve", "--port", str(port), DATABASE_URL=proxy.url, **SHARED, WEB_CONCURRENCY=processes
    )
    try:
        await serving.wait_for_output("Waiting for at most")
        await proxy.open()
        await serving.wait_for_output("is available now")
        await _wait_until_healthy(port)
    finally:
        assert await serving.end() == 0
    assert serving.output.count("cannot be used: the connection was refused") == 1


async def test_worker_waits_for_an_unavailable_database(proxy: Proxy) -> None:
    worker = await Command.start("worker", DATABASE_URL=proxy.url, **SHARED, REDIS_URL="redis://127.0.0.1:1/0")
    try:
        await worker.wait_for_output("Waiting for at most")
        await proxy.open()
        await worker.wait_for_output("worker.started")
    finally:
        assert await worker.end() == 0


async def test_migrate_upgrade_waits_for_an_unavailable_database(proxy: Proxy) -> None:
    upgrading = await Command.start("migrate", "upgrade", DATABASE_URL=proxy.url, **SHARED)
    await upgrading.wait_for_output("Waiting for at most")
    await proxy.open()
    await upgrading.wait_for_output("The schema is up to date.")
    async with asyncio.timeout(60):
        assert await upgrading.process.wait() == 0


async def test_startup_fails_after_the_database_timeout(proxy: Proxy) -> None:
    serving = await Command.start("serve", DATABASE_URL=proxy.url, **SHARED, DB_START_TIMEOUT="0.3")
    async with asyncio.timeout(60):
        output, _ = await serving.process.communicate()
    assert serving.process.returncode == 2
    assert "Error: The database at 127.0.0.1" in output.decode()


async def test_wrong_password_is_refused_without_waiting(database_url: str) -> None:
    user, _, place = database_url.partition("@")
    wrong = f"{user.rpartition(':')[0]}:wrong@{place}"
    serving = await Command.start("serve", DATABASE_URL=wrong, **SHARED)
    async with asyncio.timeout(60):
        output, _ = await serving.process.communicate()
    assert serving.process.returncode == 2
    assert "Waiting" not in output.decode()
    assert "password authentication failed" in output.decode()


async def test_replacement_worker_process_waits_for_an_unavailable_database(proxy: Proxy) -> None:
    await proxy.open()
    port = free_port()
    serving = await Command.start("serve", "--port", str(port), DATABASE_URL=proxy.url, **SHARED, WEB_CONCURRENCY="2")
    try:
        await _wait_until_healthy(port)
        await proxy.close()
        victim = next(pid for pid in _children(serving.process.pid) if b"spawn_main" in _command_line(pid))
        os.kill(victim, signal.SIGKILL)
        await serving.wait_for_output("Waiting for at most")
        await proxy.open()
        await serving.wait_for_output("is available now")
        await _wait_until_healthy(port)
    finally:
        assert await serving.end() == 0


def _children(parent: int) -> list[int]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if int((entry / "stat").read_text().rpartition(")")[2].split()[1]) == parent:
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def _command_line(pid: int) -> bytes:
    return Path(f"/proc/{pid}/cmdline").read_bytes()


async def test_concurrently_starting_servers_migrate_once(empty_database_url: str) -> None:
    ours = {"DATABASE_URL": empty_database_url, "MIGRATE_ON_START": "true"}
    workers = [await Command.start("worker", **ours) for _ in range(4)]
    try:
        await asyncio.gather(*(worker.wait_for_output("worker.started") for worker in workers))
    finally:
        assert [await worker.end() for worker in workers] == [0] * 4
    connection = await asyncpg.connect(empty_database_url)
    try:
        rows = await connection.fetch("SELECT history, revision FROM undercroft_migrations")
    finally:
        await connection.close()
    assert len(rows) == len(set(rows)) > 10


DEVELOPMENT = {"ENVIRONMENT": "development", "MIGRATE_ON_START": "true"}


def _history(name: str) -> History:
    (found,) = [history for history in histories() if history.name == name]
    return found


async def test_development_server_does_not_apply_a_lossy_migration(migrated_database_url: str) -> None:
    await upgrade_all(migrated_database_url, rls=build_row_security(enabled=False))
    await migrations.downgrade(migrated_database_url, _history("core"), "0006_known_places")
    port = free_port()
    serving = await Command.start("serve", "--port", str(port), DATABASE_URL=migrated_database_url, **DEVELOPMENT)
    try:
        await serving.wait_for_output("run `undercroft migrate upgrade`")
        await _wait_until_alive(port)
    finally:
        assert await serving.end() == 0
    assert "The migration 0007_join_offers of core can lose data" in serving.output
    assert "0007_join_offers.py" in serving.output
    assert "UPDATE teams SET" in serving.output
    (status,) = await migrations.get_statuses(migrated_database_url, [_history("core")])
    assert status.current == "0006_known_places"


@pytest.mark.requires_module("projects")
async def test_development_server_applies_a_lossless_migration(migrated_database_url: str) -> None:
    await upgrade_all(migrated_database_url, rls=build_row_security(enabled=False))
    await migrations.downgrade(migrated_database_url, _history("projects"), "base")
    port = free_port()
    serving = await Command.start("serve", "--port", str(port), DATABASE_URL=migrated_database_url, **DEVELOPMENT)
    try:
        await _wait_until_healthy(port)
    finally:
        assert await serving.end() == 0
    assert "Warning:" not in serving.output
    (status,) = await migrations.get_statuses(migrated_database_url, [_history("projects")])
    assert status.pending == ()


@pytest.mark.parametrize("behind", [False, True], ids=["same", "another branch"])
async def test_development_server_starts_without_a_migration_file_and_suggests_repair(
    newer_url: str, behind: bool
) -> None:
    if behind:
        await _execute(
            newer_url, "UPDATE undercroft_migrations SET down_revision = '0001_core' WHERE revision LIKE '9%'"
        )
    port = free_port()
    serving = await Command.start("serve", "--port", str(port), DATABASE_URL=newer_url, **DEVELOPMENT)
    try:
        await serving.wait_for_output("undercroft migrate repair")
        await _wait_until_alive(port)
    finally:
        assert await serving.end() == 0
    assert serving.output.count("its file is missing") == 1
    assert "9999_future.py" in serving.output


async def test_production_refuses_a_database_of_another_branch(newer_url: str) -> None:
    await _execute(newer_url, "UPDATE undercroft_migrations SET down_revision = '0001_core' WHERE revision LIKE '9%'")
    serving = await Command.start("serve", DATABASE_URL=newer_url)
    async with asyncio.timeout(60):
        output, _ = await serving.process.communicate()
    assert serving.process.returncode == 2
    assert "9999_future.py" in output.decode()


async def _wait_until_alive(port: int) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            try:
                assert (await http.get(f"http://127.0.0.1:{port}/health")).status_code == 200
            except httpx.TransportError:
                await asyncio.sleep(0.05)
            else:
                return
