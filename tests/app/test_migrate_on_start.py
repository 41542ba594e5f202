"""Ten processes that start at once on an empty database with MIGRATE_ON_START."""

import subprocess
import sys

import asyncpg

from tests.cli.command_runner import clean_environment

# Processes are forked after the imports, so that they really start at once. Each prints what it migrated.
SCRIPT = """
import asyncio, os
from undercroft.app import migrations
from undercroft.app.server import prepare_database

migrations.histories()
upgrade = migrations.migrations.upgrade

async def counted(*arguments, **options):
    os.write(1, f"{len(await upgrade(*arguments, **options))}\\n".encode())
    return []

migrations.migrations.upgrade = counted
children = []
for _ in range(10):
    if (child := os.fork()) == 0:
        code = 1
        try:
            asyncio.run(prepare_database())
            code = 0
        finally:
            os._exit(code)
    children.append(child)
raise SystemExit(any(os.waitpid(child, 0)[1] for child in children))
"""


async def test_ten_processes_starting_at_once_migrate_once(empty_database_url: str) -> None:
    environment = clean_environment({"DATABASE_URL": empty_database_url, "MIGRATE_ON_START": "true"})
    seen = subprocess.run(
        [sys.executable, "-c", SCRIPT], env=environment, capture_output=True, text=True, check=False, timeout=300
    )
    assert seen.returncode == 0, seen.stderr
    counts = sorted(map(int, seen.stdout.split()))
    assert counts[:-1] == [0] * 9
    connection = await asyncpg.connect(empty_database_url)
    try:
        assert counts[-1] == await connection.fetchval("SELECT count(*) FROM undercroft_migrations")
    finally:
        await connection.close()
