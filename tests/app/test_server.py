"""`undercroft serve`: startup errors and shutdown."""

import asyncio
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import asyncpg
import httpx2 as httpx
import pytest

from tests.enabled import SAME_MODULES
from undercroft.devstack.machine import free_port

SECRET = "a secret for tests only, 0123456789 abcdefghij"


class Server:
    """An `undercroft serve` process in an empty folder."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.port = free_port()
        self._folder = folder
        inherited = {name: os.environ[name] for name in ("PATH", "TENANT_RLS") if name in os.environ}
        self._environment = inherited | SAME_MODULES | {"ENVIRONMENT": "test", "SECRET_KEY": SECRET} | environment
        self.process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "undercroft.cli", "serve", "--port", str(self.port)),
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )

    async def wait_until_healthy(self) -> None:
        assert self.process is not None
        async with asyncio.timeout(60), httpx.AsyncClient() as http:
            while True:
                if self.process.returncode is not None:
                    assert self.process.stderr is not None
                    raise AssertionError((await self.process.stderr.read()).decode())
                try:
                    if (await http.get(f"{self.url}/health")).status_code == 200:
                        return
                except httpx.TransportError:
                    await asyncio.sleep(0.05)

    async def wait_for_exit(self) -> tuple[int, str]:
        assert self.process is not None
        async with asyncio.timeout(60):
            _, output = await self.process.communicate()
        return self.process.returncode or 0, output.decode()

    def kill(self) -> None:
        if self.process is not None and self.process.returncode is None:
            os.killpg(self.process.pid, signal.SIGKILL)


async def _startup_error(server: Server) -> str:
    await server.start()
    code, output = await server.wait_for_exit()
    assert code == 2, output
    assert "Traceback" not in output
    return output


async def test_weak_production_settings_are_reported_in_one_message(tmp_path: Path):
    output = await _startup_error(Server(tmp_path, ENVIRONMENT="production", SECRET_KEY="weak"))
    assert "SECRET_KEY" in output
    assert "PUBLIC_URL" in output
    assert "SMTP_HOST" in output
    assert "weak\n" not in output


async def test_server_refuses_an_outdated_schema_with_the_fix(tmp_path: Path, empty_database_url: str):
    output = await _startup_error(Server(tmp_path, DATABASE_URL=empty_database_url))
    assert "undercroft migrate upgrade" in output
    assert "MIGRATE_ON_START" in output


async def test_migrate_on_start_updates_an_outdated_schema(tmp_path: Path, empty_database_url: str):
    server = Server(tmp_path, DATABASE_URL=empty_database_url, MIGRATE_ON_START="true", TENANT_RLS="off")
    await server.start()
    try:
        await server.wait_until_healthy()
    finally:
        server.kill()
        await server.wait_for_exit()


async def test_missing_or_unreachable_database_and_port_in_use_are_reported(tmp_path: Path, database_url: str):
    assert "DATABASE_URL is not set" in await _startup_error(Server(tmp_path))
    nowhere = "postgresql://me:my-secret@127.0.0.1:9/nothing"
    output = await _startup_error(Server(tmp_path, DATABASE_URL=nowhere, DB_START_TIMEOUT="0"))
    assert "DATABASE_URL" in output
    assert "my-secret" not in output
    server = Server(tmp_path, DATABASE_URL=database_url)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", server.port))
        taken.listen()
        assert f"port {server.port}" in await _startup_error(server)


async def test_missing_metrics_directory_is_a_startup_error(tmp_path: Path, database_url: str):
    missing = tmp_path / "missing"
    server = Server(tmp_path, DATABASE_URL=database_url, PROMETHEUS_MULTIPROC_DIR=str(missing))
    await server.start()
    try:
        code, output = await server.wait_for_exit()
    finally:
        server.kill()
    assert (code, "Traceback" in output) == (1, False), output
    assert str(missing) in output


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_sigterm_finishes_requests_in_flight_and_exits_with_0(
    tmp_path: Path, database_url: str, owner_url: str, workers: str
):
    patient = {"SHUTDOWN_TIMEOUT": "20", "DB_LOCK_TIMEOUT": "20", "DB_STATEMENT_TIMEOUT": "20"}
    server = Server(tmp_path, DATABASE_URL=database_url, WEB_CONCURRENCY=workers, **patient)
    await server.start()
    await server.wait_until_healthy()
    assert server.process is not None
    holder = await asyncpg.connect(owner_url)
    try:
        async with httpx.AsyncClient() as http:
            async with holder.transaction():
                await holder.execute("LOCK TABLE users IN ACCESS EXCLUSIVE MODE")
                body = {"email": "unknown@example.com", "password": "three otters in a boat"}
                request = asyncio.create_task(http.post(f"{server.url}/api/v1/auth/login", json=body))
                await _waits_for_the_lock(holder)
                server.process.terminate()
                await _no_longer_listens(server)
            response = await request
            assert (response.status_code, response.headers["connection"]) == (401, "close")
        assert (await server.wait_for_exit())[0] == 0
    finally:
        server.kill()
        await holder.close()


async def _waits_for_the_lock(connection: asyncpg.Connection) -> None:
    async with asyncio.timeout(10):
        while not await connection.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.02)


async def _no_longer_listens(server: Server) -> None:
    async with asyncio.timeout(2):
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", server.port)
            except OSError:
                return
            writer.close()
            await asyncio.sleep(0.02)


async def test_error_response_reaches_a_client_that_is_still_sending(tmp_path: Path, database_url: str):
    server = Server(tmp_path, DATABASE_URL=database_url)
    await server.start()
    try:
        await server.wait_until_healthy()
        async with httpx.AsyncClient(base_url=server.url) as http:
            for path, size, status in (
                ("/api/v1/nothing", 1 << 20, 404),
                ("/health", 1 << 20, 405),
                ("/api/v1/app/teams", 1 << 20, 401),
                ("/api/v1/auth/login", 8 << 20, 413),
            ):
                responses = [await http.post(path, content=b"x" * size) for _ in range(10)]
                assert {response.status_code for response in responses} == {status}
    finally:
        server.kill()


async def test_worker_processes_exit_when_the_main_process_is_killed(tmp_path: Path, database_url: str):
    server = Server(tmp_path, DATABASE_URL=database_url, WEB_CONCURRENCY="2", SHUTDOWN_TIMEOUT="2")
    await server.start()
    await server.wait_until_healthy()
    assert server.process is not None
    server.process.kill()

    async with asyncio.timeout(10):
        while _in_session(server.process.pid):
            await asyncio.sleep(0.05)
    await server.wait_for_exit()


def _in_session(leader: int) -> list[int]:
    """Return the running processes of a session, with `ps`, which exists on Linux and macOS."""
    listed = subprocess.run(["ps", "-A", "-o", "pid=,pgid=,stat="], capture_output=True, text=True, check=True)
    rows = (line.split() for line in listed.stdout.splitlines())
    return [int(pid) for pid, group, state in rows if int(group) == leader and not state.startswith("Z")]
