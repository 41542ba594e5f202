"""Scenario 10: an external PostgreSQL without Redis, and the wheel in an empty environment."""

import asyncio
import os
import secrets
import shutil
import subprocess
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg

from acceptance import races, signup_flow
from acceptance.report import ScenarioReport
from acceptance.stack import REPOSITORY, Stack, cloned_stack, free_port

VERSIONS = ("15", "16", "17", "18")


@dataclass(frozen=True)
class ExternalPostgres:
    """A PostgreSQL of the distribution and the credentials of its superuser."""

    version: str
    port: int
    password: str

    def url(self, database: str, user: str = "postgres", password: str = "") -> str:
        return f"postgresql://{user}:{password or self.password}@127.0.0.1:{self.port}/{database}"


async def run_scenario(report: ScenarioReport) -> None:
    folder = next((found for version in VERSIONS if (found := _find_binaries(version)) is not None), None)
    if folder is None:
        report.check(False, "a PostgreSQL of the distribution is there", "install one: `apt install postgresql`")
        return
    async with _run_postgres(folder) as server:
        report.note(f"PostgreSQL {server.version} of the distribution")
        await _check_flow(server, "one role", await _one_role(server), report)
        await _check_flow(server, "two roles", await _two_roles(server), report)
        await _check_wheel(server, report)


def _find_binaries(version: str) -> Path | None:
    folder = Path(f"/usr/lib/postgresql/{version}/bin")
    return folder if (folder / "initdb").exists() else None


@asynccontextmanager
async def _run_postgres(binaries: Path) -> AsyncIterator[ExternalPostgres]:
    into = Path(tempfile.mkdtemp(prefix="undercroft-postgres-"))
    server = ExternalPostgres(binaries.parent.name, free_port(), secrets.token_hex(12))
    secret = into / "password"
    secret.write_text(server.password)
    user: dict[str, Any] = {"user": "postgres", "group": "postgres", "extra_groups": []} if os.geteuid() == 0 else {}
    if user:
        shutil.chown(into, "postgres", "postgres")
        shutil.chown(secret, "postgres", "postgres")
    data = into / "data"
    initdb = [
        binaries / "initdb",
        "-D",
        data,
        "-U",
        "postgres",
        "-A",
        "scram-sha-256",
        "--pwfile",
        secret,
        "-E",
        "UTF8",
    ]
    subprocess.run([str(word) for word in initdb], check=True, capture_output=True, cwd=into, **user)
    options = [f"-cport={server.port}", "-clisten_addresses=127.0.0.1", "-cunix_socket_directories="]
    running = subprocess.Popen(
        [str(binaries / "postgres"), "-D", str(data), *options],
        cwd=into, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, **user,
    )  # fmt: skip
    try:
        await _wait_until_ready(server)
        yield server
    finally:
        running.terminate()
        running.wait(30)
        shutil.rmtree(into, ignore_errors=True)


async def _wait_until_ready(server: ExternalPostgres) -> None:
    for _ in range(200):
        try:
            connection = await asyncpg.connect(server.url("postgres"))
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
        else:
            await connection.close()
            return
    raise TimeoutError("the other PostgreSQL did not start")


async def _execute(server: ExternalPostgres, database: str, *statements: str) -> None:
    connection = await asyncpg.connect(server.url(database))
    try:
        for statement in statements:
            await connection.execute(statement)
    finally:
        await connection.close()


async def _one_role(server: ExternalPostgres) -> dict[str, str]:
    await _execute(server, "postgres", "CREATE ROLE one LOGIN PASSWORD 'one-password'", "CREATE DATABASE one OWNER one")
    return {"DATABASE_URL": server.url("one", "one", "one-password")}


async def _two_roles(server: ExternalPostgres) -> dict[str, str]:
    await _execute(
        server,
        "postgres",
        "CREATE ROLE two_owner LOGIN PASSWORD 'owner-password'",
        "CREATE ROLE two_app LOGIN PASSWORD 'app-password'",
        "CREATE DATABASE two OWNER two_owner",
    )
    await _execute(
        server,
        "two",
        "GRANT USAGE ON SCHEMA public TO two_app",
        "GRANT ALL ON SCHEMA public TO two_owner",
        "ALTER DEFAULT PRIVILEGES FOR ROLE two_owner GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO two_app",
        "ALTER DEFAULT PRIVILEGES FOR ROLE two_owner GRANT USAGE, SELECT ON SEQUENCES TO two_app",
    )
    return {
        "DATABASE_URL": server.url("two", "two_app", "app-password"),
        "MIGRATION_DATABASE_URL": server.url("two", "two_owner", "owner-password"),
    }


async def _check_flow(server: ExternalPostgres, roles: str, urls: dict[str, str], report: ScenarioReport) -> None:
    async with cloned_stack() as stack:
        stack.start(**urls)
        took = await stack.wait_healthy(120)
        report.check(took < 120, f"PostgreSQL {server.version} with {roles}: starts", f"{took:.1f} s")
        embedded = [
            process for process in stack.processes if "postgres" in process.command and " -D " in process.command
        ]
        report.check(not embedded, "without an embedded PostgreSQL")
        await signup_flow.run_scenario(stack, report)
        await races.run_scenario(stack, report)


async def _check_wheel(server: ExternalPostgres, report: ScenarioReport) -> None:
    into = Path(tempfile.mkdtemp(prefix="undercroft-wheel-"))
    try:
        wheel = _build(into)
        await _execute(server, "postgres", "CREATE DATABASE wheel")
        stack = Stack(into / "empty")
        stack.folder.mkdir()
        installed = stack.run("uv", "venv", "--quiet", ".venv", timeout=60)
        installed = stack.run("uv", "pip", "install", "--quiet", "--python", ".venv", str(wheel), timeout=300)
        report.check(installed.returncode == 0, "a wheel installs without extras", installed.stderr[-300:])
        await _check_wheel_serves(stack, server.url("wheel"), report)
    finally:
        shutil.rmtree(into, ignore_errors=True)


def _build(into: Path) -> Path:
    subprocess.run(
        ["uv", "build", "--quiet", "--wheel", "--out-dir", str(into)], cwd=REPOSITORY, check=True, capture_output=True
    )
    return next(into.glob("*.whl"))


async def _check_wheel_serves(stack: Stack, url: str, report: ScenarioReport) -> None:
    environment = {
        "DATABASE_URL": url,
        "SECRET_KEY": secrets.token_urlsafe(48),
        "PUBLIC_URL": "https://wheel.example.com",
        "EMAIL_PROVIDER": "smtp",
        "SMTP_HOST": "127.0.0.1",
        "EMAIL_FROM": "hello@wheel.example.com",
        "ALLOWED_HOSTS": "127.0.0.1",
    }
    migrated = stack.undercroft("migrate", "upgrade", **environment)
    report.check(migrated.returncode == 0, "it migrates", (migrated.stdout + migrated.stderr)[-300:])
    stack.start(str(stack.folder / ".venv" / "bin" / "undercroft"), "serve", "--port", str(stack.port), **environment)
    try:
        report.check(await stack.wait_healthy(30) < 30, "it serves")
        async with stack.client() as http:
            docs = await http.get("/docs")
            report.check(docs.status_code == 200 and "html" in docs.headers["content-type"], "and shows /docs")
            schema = (await http.get("/openapi.json")).json()
            report.check(schema["openapi"].startswith("3.1"), "and its schema", len(schema["paths"]))
    finally:
        await stack.stop()
