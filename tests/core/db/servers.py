"""PostgreSQL servers for single tests: a server that can be broken, and a standby of it."""

import asyncio
import os
import secrets
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import urlsplit

import asyncpg

from undercroft.core.db import Database, DatabaseSettings
from undercroft.devstack import machine
from undercroft.devstack.postgres import PostgresServer

SMALL_DISK_SIZE = 25_600 * 4096
"""Size of the small disk in bytes."""
OPTIONS = {"fsync": "off", "shared_buffers": "16MB", "min_wal_size": "32MB", "max_wal_size": "32MB"}


@asynccontextmanager
async def run_server(folder: Path) -> AsyncIterator[PostgresServer]:
    """A new server with its data in this folder and an empty table `things`; it is stopped after the block."""
    server = PostgresServer(folder, machine.free_port(), secrets.token_hex(8), dict(OPTIONS))
    try:
        server.start()
        await _wait_until_ready(server)
        connection = await asyncpg.connect(server.url)
        await connection.execute("CREATE TABLE things (name text)")
        await connection.close()
        yield server
    finally:
        server.stop()


@asynccontextmanager
async def run_standby(primary: PostgresServer, folder: Path) -> AsyncIterator[PostgresServer]:
    """A streaming replica that accepts reads; it is stopped after the block."""
    standby = PostgresServer(folder, machine.free_port(), primary.password, dict(OPTIONS))
    command = [str(primary.bin / "pg_basebackup"), "-d", primary.url, "-D", str(standby.data), "-R", "-c", "fast"]
    with standby.log.open("ab") as log:
        copy = machine.start(command, log=log, cwd=standby.data, server_user=standby.server_user)
    assert await asyncio.to_thread(copy.wait, 60) == 0, standby.log.read_text()
    try:
        standby.start()
        await _wait_until_ready(standby)
        yield standby
    finally:
        standby.stop()


@contextmanager
def server_folder() -> Iterator[Path]:
    """A new folder that the server's operating system user may enter."""
    with TemporaryDirectory(prefix="undercroft-", ignore_cleanup_errors=True) as folder:
        path = Path(folder).resolve()
        path.chmod(0o755)
        yield path


@asynccontextmanager
async def small_disk() -> AsyncIterator[Path]:
    """A folder with its own file system of `SMALL_DISK_SIZE` bytes; requires root on Linux."""
    with server_folder() as folder:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_SIZE},mode=755", "tmpfs", str(folder)]
        await asyncio.to_thread(subprocess.run, mount, check=True)
        try:
            yield folder
        finally:
            await asyncio.to_thread(subprocess.run, ["umount", str(folder)], check=True)


def fill_disk(folder: Path) -> Path:
    """Write a file until the small disk is full. Refuses any other disk."""
    disk = os.statvfs(folder)
    if disk.f_blocks * disk.f_frsize > SMALL_DISK_SIZE:
        raise ValueError(f"{folder} is not on a small disk.")
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(bytes(65536))
        except OSError:
            return filler


def make_database(url: str, **settings: object) -> Database:
    """A database with short timeouts, connected as the application connects."""
    short = {"db_statement_timeout": 2, "db_lock_timeout": 0.2, "db_acquire_timeout": 0.5, **settings}
    return Database(DatabaseSettings.model_validate(short), url)


def address(server: PostgresServer) -> tuple[str, int]:
    parts = urlsplit(server.url)
    assert parts.hostname
    return parts.hostname, server.port


async def _wait_until_ready(server: PostgresServer, limit: float = 30) -> None:
    async with asyncio.timeout(limit):
        while True:
            try:
                connection = await asyncpg.connect(server.url, timeout=5)
            except (OSError, asyncpg.PostgresError):
                await asyncio.sleep(0.05)
            else:
                await connection.close()
                return
