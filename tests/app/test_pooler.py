"""The application behind PgBouncer in transaction mode, without a direct connection."""

import asyncio
import os
import sys
from asyncio.subprocess import PIPE, STDOUT, Process
from pathlib import Path

import httpx2 as httpx
import pytest

from tests.app.test_server import SECRET, Server
from tests.enabled import SAME_MODULES
from tests.pgbouncer import run_pgbouncer

PASSWORD = "correct horse battery staple"
ADMIN_EMAIL = "boss@example.com"


async def _run_command(*words: str, stdin: str = "", **environment: str) -> tuple[int, str]:
    process = await _start_command(*words, **environment)
    async with asyncio.timeout(120):
        output, _ = await process.communicate(stdin.encode())
    return process.returncode or 0, output.decode()


async def _start_command(*words: str, **environment: str) -> Process:
    whole = {"PATH": os.environ["PATH"], **SAME_MODULES, "UNDERCROFT_ENV_FILE": "nowhere", **environment}
    command = (sys.executable, "-m", "undercroft.cli", *words)
    return await asyncio.create_subprocess_exec(*command, env=whole, stdin=PIPE, stdout=PIPE, stderr=STDOUT)


async def _sign_in(url: str) -> None:
    async with httpx.AsyncClient(base_url=f"{url}/api/v1", timeout=30) as http:
        for _ in range(5):
            tokens = await http.post("/auth/login", json={"email": ADMIN_EMAIL, "password": PASSWORD})
            assert tokens.status_code == 200, tokens.text
            http.headers["Authorization"] = f"Bearer {tokens.json()['access_token']}"
            assert (await http.get("/app/users/me")).json()["email"] == ADMIN_EMAIL
            assert (await http.get("/app/teams")).status_code == 200
        accepted = await http.post("/auth/password/forgot", json={"email": ADMIN_EMAIL})
        assert accepted.status_code == 202, accepted.text


async def _wait_for_mail(folder: Path, before: int) -> None:
    async with asyncio.timeout(60):
        while len(list(folder.glob("*.eml"))) <= before:
            await asyncio.sleep(0.05)


async def _stop_worker(worker: Process) -> str:
    worker.terminate()
    async with asyncio.timeout(60):
        output, _ = await worker.communicate()
    assert worker.returncode == 0, output.decode()
    return output.decode()


@pytest.mark.parametrize("pooler", ["auto", "transaction"])
async def test_application_works_twice_in_a_row_behind_a_transaction_pooler(
    tmp_path: Path, empty_database_url: str, pooler: str
) -> None:
    mails = tmp_path / "mails"
    with run_pgbouncer(empty_database_url) as url:
        ours = {"DATABASE_URL": url, "DATABASE_POOLER": pooler, "ENVIRONMENT": "test", "SECRET_KEY": SECRET}
        ours |= {"EMAIL_PROVIDER": "mailbox", "EMAIL_MAILBOX_FOLDER": str(mails), "TENANT_RLS": "off"}
        assert (await _run_command("migrate", "upgrade", **ours))[0] == 0
        created = await _run_command(
            "user", "create-admin", ADMIN_EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n", **ours
        )
        assert created[0] == 0, created[1]
        for number, processes in enumerate(("1", "2")):
            await _run_once(tmp_path, mails, number, ours | {"WEB_CONCURRENCY": processes})
        code, output = await _run_command("doctor", **ours)
        assert code == 0, output
        assert "through a transaction pooler: workers poll for jobs" in output
        assert "DATABASE_DIRECT_URL" in output
        assert "up to date" in (await _run_command("migrate", "upgrade", **ours))[1]


async def _run_once(folder: Path, mails: Path, number: int, settings: dict[str, str]) -> None:
    """Run server and worker, sign in, and wait for a job that sends an email."""
    server = Server(folder, **settings)
    await server.start()
    worker = await _start_command("worker", **settings)
    try:
        await server.wait_until_healthy()
        await _sign_in(server.url)
        await _wait_for_mail(mails, number)
        async with httpx.AsyncClient() as http:
            ready = await http.get(f"{server.url}/api/v1/public/health/ready")
        assert ready.status_code == 200, ready.text
    finally:
        server.kill()
        await server.wait_for_exit()
        output = await _stop_worker(worker)
    assert "jobs are polled" in output
