"""The embedded PostgreSQL: startup, crashes and leftovers."""

import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from undercroft.core.errors import ConfigurationError
from undercroft.devstack import data_dirs, machine
from undercroft.devstack.postgres import NON_DURABLE_SETTINGS, PostgresServer
from undercroft.devstack.roles import Roles, ensure

PASSWORD = "of the superuser"


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="undercroft-test-"))
    path.chmod(0o711)
    yield path
    data_dirs.delete_data_dir(path, "postgres")
    shutil.rmtree(path)


@pytest.fixture
def postgres(folder: Path) -> Iterator[PostgresServer]:
    server = PostgresServer(folder, machine.free_port(), PASSWORD, dict(NON_DURABLE_SETTINGS))
    yield server
    server.stop()


async def _fetch_value(server: PostgresServer, sql: str) -> Any:
    connection = await asyncpg.connect(
        host="127.0.0.1", port=server.port, user="postgres", password=PASSWORD, database="postgres"
    )
    try:
        return await connection.fetchval(sql)
    finally:
        await connection.close()


async def test_postgres_uses_utf8_and_utc_and_retains_data(postgres: PostgresServer):
    postgres.start()
    postgres.wait_until_ready()
    assert await _fetch_value(postgres, "SHOW server_encoding") == "UTF8"
    assert await _fetch_value(postgres, "SHOW timezone") == "UTC"
    assert await _fetch_value(postgres, "SELECT lower('ÄÖ') || upper('ß')") == "äöß"
    await _fetch_value(postgres, "CREATE TABLE items (id int)")
    postgres.stop()

    postgres.start()
    postgres.wait_until_ready()

    assert await _fetch_value(postgres, "SELECT count(*) FROM items") == 0


async def test_postgres_stores_scram_passwords_and_listens_on_loopback(postgres: PostgresServer):
    postgres.start()
    postgres.wait_until_ready()
    await ensure(postgres.url, Roles("of the owner", "of the app", "of the admin"))
    passwords = await _fetch_value(postgres, "SELECT array_agg(rolpassword) FROM pg_authid WHERE rolcanlogin")
    assert len(passwords) == 4
    assert all(password.startswith("SCRAM-SHA-256$") for password in passwords)
    assert await _fetch_value(postgres, "SHOW listen_addresses") == "127.0.0.1"


async def test_postgres_restarts_after_a_crash(postgres: PostgresServer):
    postgres.start()
    postgres.wait_until_ready()
    assert postgres.process is not None
    os.killpg(postgres.process.pid, signal.SIGKILL)
    postgres.process.wait()

    postgres.start()
    postgres.wait_until_ready()

    assert await _fetch_value(postgres, "SELECT 1") == 1


async def test_orphaned_server_is_stopped_before_startup(postgres: PostgresServer, folder: Path):
    postgres.start()
    postgres.wait_until_ready()
    orphan, postgres.process = postgres.process, None
    assert orphan is not None

    orphan.send_signal(signal.SIGSTOP)

    successor = PostgresServer(folder, machine.free_port(), PASSWORD, dict(NON_DURABLE_SETTINGS))
    successor.start()
    successor.wait_until_ready()

    assert await _fetch_value(successor, "SELECT 1") == 1
    successor.stop()
    assert orphan.wait(10) == 0


async def test_stale_pid_file_does_not_prevent_startup(postgres: PostgresServer):
    if not postgres.has_data:
        postgres.start()
        postgres.wait_until_ready()
        postgres.stop()
    (postgres.data / "postmaster.pid").write_bytes(f"{os.getpid()}\n{postgres.data}\n".encode() + b"\xff\n")

    postgres.start()
    postgres.wait_until_ready()

    assert await _fetch_value(postgres, "SELECT 1") == 1


def test_postgres_reports_a_port_in_use(folder: Path, postgres: PostgresServer):
    postgres.start()
    postgres.wait_until_ready()
    other = PostgresServer(folder / "other", postgres.port, PASSWORD, dict(NON_DURABLE_SETTINGS))
    (folder / "other").chmod(0o711)
    other.start()
    with pytest.raises(ConfigurationError, match="did not start"):
        other.wait_until_ready()
    data_dirs.delete_data_dir(folder / "other", "postgres")
