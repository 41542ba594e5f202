"""A real PgBouncer in front of the test server, in its most restrictive configuration."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit, urlunsplit

import pytest

from undercroft.devstack.machine import UNPRIVILEGED_USER, free_port

_CONFIG = """
[databases]
* = host={host} port={port}

[pgbouncer]
listen_addr = 127.0.0.1
listen_port = {listen}
unix_socket_dir =
auth_type = trust
auth_file = {folder}/users.txt
pool_mode = {mode}
default_pool_size = 6
# Each transaction goes to another server connection than the one before.
server_round_robin = 1
{user}
"""


def find_pgbouncer() -> str:
    """PgBouncer's path. Skips the test where it is not installed; `.ci/run` installs it and sets PGBOUNCER=required."""
    found = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("PGBOUNCER") == "required":
        pytest.fail("PgBouncer is not installed.")
    if found is None:
        pytest.skip("PgBouncer is not installed: apt install pgbouncer")
    return found


@contextmanager
def run_pgbouncer(url: str, mode: str = "transaction") -> Iterator[str]:
    """Yield the URL of the same database and role through a new PgBouncer."""
    parts = urlsplit(url)
    listen = free_port()
    with tempfile.TemporaryDirectory(prefix="undercroft-pgbouncer-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        user = f"user = {UNPRIVILEGED_USER}" if os.geteuid() == 0 else ""
        config = _CONFIG.format(
            host=parts.hostname, port=parts.port, listen=listen, folder=folder, mode=mode, user=user
        )
        (folder / "pgbouncer.ini").write_text(config)
        users = folder / "users.txt"
        users.write_text(f'"{unquote(parts.username or "")}" "{unquote(parts.password or "")}"\n')
        users.chmod(0o600)
        if user:
            os.chown(users, pwd.getpwnam(UNPRIVILEGED_USER).pw_uid, -1)
        process = subprocess.Popen(
            [find_pgbouncer(), "-q", str(folder / "pgbouncer.ini")], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        try:
            _wait(listen, process)
            yield urlunsplit(parts._replace(netloc=f"{parts.username}@127.0.0.1:{listen}"))
        finally:
            process.kill()
            process.communicate()


def _wait(port: int, process: "subprocess.Popen[bytes]", limit: float = 15) -> None:
    end = time.monotonic() + limit
    while time.monotonic() < end:
        if process.poll() is not None:
            raise AssertionError(process.communicate()[1].decode())
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise AssertionError("PgBouncer does not listen.")
