"""The floor as a target, with its database and server."""

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import asyncpg
import jwt
from uuid_utils.compat import uuid7

from benchmarks import floor
from benchmarks.machine import PYTHON, free_port, run_server
from benchmarks.rows import BODY, OTHERS, OWNED, spread
from benchmarks.targets import RunningServer, Target
from benchmarks.wrk import Call

SECRET = secrets.token_urlsafe(32)


class FloorTarget(Target):
    name = "floor"

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._log = folder / "floor.log"
        self._caller, self._creator = uuid7(), uuid7()

    async def fill(self) -> None:
        """Create the tables: 1,000 projects of the caller among 100,000 others."""
        connection = await asyncpg.connect(self._url)
        try:
            await connection.execute(floor.SCHEMA)
            users = [self._caller, self._creator, *(uuid7() for _ in range(98))]
            now = datetime.now(UTC)
            await connection.copy_records_to_table(
                "floor_users",
                records=[
                    (user, f"u{n}@example.com", "Some Body", "en", "UTC", None, "user", True, now, now)
                    for n, user in enumerate(users)
                ],
            )
            owners = spread({self._caller: OWNED}, users[2:], OTHERS)
            await connection.copy_records_to_table(
                "floor_projects",
                records=[
                    (uuid7(), owner, f"Project {n}", "As it was", "active", 1, *[now - timedelta(seconds=n)] * 2)
                    for n, owner in enumerate(owners)
                ],
            )
        finally:
            await connection.close()
        await self._vacuum()

    @contextmanager
    def serve(self) -> Iterator[RunningServer]:
        address = f"http://127.0.0.1:{(port := free_port())}"
        command = [PYTHON, "-m", "granian", "--interface", "asgi", "--loop", "uvloop", "--no-ws", "--host", "127.0.0.1"]
        environment = {"FLOOR_DATABASE_URL": self._url, "FLOOR_SECRET": SECRET, "PYTHONPATH": str(Path.cwd())}
        with run_server(
            [*command, "--port", str(port), "benchmarks.floor:app"], environment, f"{address}/health", self._log
        ) as served:
            yield RunningServer(self._calls(address), served.group, served.seconds)

    async def clean_up(self) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute("DELETE FROM floor_projects WHERE owner_id = $1", self._creator)
        await connection.close()
        await self._vacuum()

    def _calls(self, address: str) -> dict[str, Call]:
        reader, writer = _bearer(self._caller), _bearer(self._creator)
        return {
            "health": Call(f"{address}/health"),
            "me": Call(f"{address}/me", headers=reader),
            "list": Call(f"{address}/projects", headers=reader),
            "create": Call(f"{address}/projects", "POST", {**writer, "Content-Type": "application/json"}, BODY),
        }

    async def _vacuum(self) -> None:
        connection = await asyncpg.connect(self._url)
        await connection.execute("VACUUM ANALYZE floor_projects")
        await connection.close()


def _bearer(user: UUID) -> dict[str, str]:
    token = jwt.encode({"sub": str(user), "exp": datetime.now(UTC) + timedelta(days=1)}, SECRET, algorithm="HS256")
    return {"Authorization": f"Bearer {token}"}
