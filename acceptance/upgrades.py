"""Scenario 19: a project of the previous release is upgraded under load, side by side, and one step back and up again.

Then a migration waits for a table that a transaction reads for a minute, without blocking the traffic on it.
"""

import asyncio
import json
import secrets
import shutil
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from acceptance.report import ScenarioReport
from acceptance.stack import REPOSITORY, Stack
from acceptance.traffic import RATE, traffic
from acceptance.users import UserClient, sign_up
from undercroft.devstack.postgres import temporary_database

PREVIOUS = "4e040c188d2575330fae810bc4d0a5ab0076b3a5"
"""The commit of the previous release, 0.1.0."""
OLD, NEW = "old", "new"
ROWS, USERS, QUEUED, SECONDS, READER_SECONDS = 100_000, 10, 20, 60, 60
ROOMS = "/app/ext/hotel/rooms"
INSERT_ROWS = """
INSERT INTO hotel_rooms (id, team_id, name, created_by, version, created_at, updated_at)
SELECT gen_random_uuid(), m.team_id, 'Old ' || n, m.user_id, 1, now(), now()
FROM generate_series(1, $1::int) AS n, (SELECT team_id, user_id FROM memberships ORDER BY user_id LIMIT 1) AS m
"""
WAITING = """
SELECT coalesce(max(extract(epoch FROM clock_timestamp() - query_start)), 0)::float FROM pg_stat_activity
WHERE application_name = 'undercroft migrate' AND wait_event_type = 'Lock'
"""
MIGRATION = """
import sqlalchemy as sa
from alembic import op

revision = "0002_floor"
down_revision = "0001_initial"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("hotel_rooms", sa.Column("floor", sa.Integer(), nullable=True))


def downgrade() -> None:
    op.drop_column("hotel_rooms", "floor")
"""


class ReleaseProcess(Stack):
    """A process or command of one release in the project `shop`. Both releases use one database."""

    def __init__(self, folder: Path, release: str, url: str, secret: str) -> None:
        super().__init__(folder / "shop")
        self.release = release
        self.program = str(folder / release / "bin" / "undercroft")
        self.settings = {"DATABASE_URL": url, "ENVIRONMENT": "development", "SECRET_KEY": secret}

    @property
    def log(self) -> Path:
        return self.folder.parent / f"{self.release}-{self.mark}.log"

    def undercroft(self, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
        return self.run(self.program, *arguments, **self.settings, **options)

    def start_command(self, *words: str) -> None:
        self.start(self.program, *words, **self.settings)


class Project:
    """A project with an extension, and the environments of the two releases."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder, self.url = folder, url
        self._secret = secrets.token_urlsafe(48)

    def process(self, release: str) -> ReleaseProcess:
        return ReleaseProcess(self.folder, release, self.url, self._secret)

    def run(self, release: str, *words: str) -> subprocess.CompletedProcess[str]:
        return self.process(release).undercroft(*words, timeout=300)

    @asynccontextmanager
    async def serving(self, release: str) -> AsyncIterator[ReleaseProcess]:
        """A server and a worker of a release."""
        server, worker = self.process(release), self.process(release)
        server.start_command("serve", "--port", str(server.port))
        worker.start_command("worker")
        try:
            await server.wait_healthy(60)
            yield server
        finally:
            await server.stop()
            await worker.stop()

    async def fetchval(self, sql: str, *values: Any) -> Any:
        connection = await asyncpg.connect(self.url)
        try:
            return await connection.fetchval(sql, *values)
        finally:
            await connection.close()


async def run_scenario(report: ScenarioReport) -> None:
    known = subprocess.run(["git", "cat-file", "-e", PREVIOUS], cwd=REPOSITORY, capture_output=True, check=False)
    hint = "" if known.returncode == 0 else "run `git fetch --unshallow` in a clone of the repository"
    if not report.check(known.returncode == 0, "the history contains the previous release", hint):
        return
    folder = Path(tempfile.mkdtemp(prefix="undercroft-upgrades-"))
    try:
        with temporary_database() as url:
            project = await asyncio.to_thread(_create_project, folder, url)
            await _check_upgrade(project, report)
            await _check_long_reader(project, report)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _create_project(folder: Path, url: str) -> Project:
    """Build the wheels of both releases, install them, and create a project with an extension by the old one."""
    source = folder / "source"
    source.mkdir()
    archive = subprocess.run(["git", "archive", PREVIOUS], cwd=REPOSITORY, capture_output=True, check=True).stdout
    subprocess.run(["tar", "-x"], cwd=source, input=archive, check=True)
    for release, repository in ((OLD, source), (NEW, REPOSITORY)):
        wheels = folder / f"{release}-wheel"
        _uv("build", "--wheel", "--out-dir", str(wheels), cwd=repository)
        _uv("venv", str(folder / release), cwd=folder)
        wheel = next(wheels.glob("*.whl"))
        _uv("pip", "install", "--python", str(folder / release), f"undercroft[dev] @ {wheel.as_uri()}", cwd=folder)
    old = str(folder / OLD / "bin" / "undercroft")
    subprocess.run([old, "new", "shop", "--from", str(folder / f"{OLD}-wheel")], cwd=folder, check=True)
    subprocess.run([old, "new-extension", "hotel", "--entity", "room"], cwd=folder / "shop", check=True)
    return Project(folder, url)


def _uv(*words: str, cwd: Path) -> None:
    subprocess.run(["uv", "--quiet", *words], cwd=cwd, check=True)


async def _check_upgrade(project: Project, report: ScenarioReport) -> None:
    migrated = project.run(OLD, "migrate", "upgrade")
    report.check(migrated.returncode == 0, "the previous release migrates", migrated.stderr[-300:])
    async with AsyncExitStack() as stack:
        old = await stack.enter_async_context(project.serving(OLD))
        http = await stack.enter_async_context(old.client())
        users = [await sign_up(http) for _ in range(USERS)]
        await project.fetchval(INSERT_ROWS, ROWS)
        plan = await _check_plan(project, report)
        async with traffic(users, [http], ROOMS) as during:
            done = await asyncio.to_thread(project.run, NEW, "upgrade", "--yes")
        report.check(
            done.returncode == 0, "`undercroft upgrade` migrates under load", (done.stdout + done.stderr)[-300:]
        )
        report.check(during.passed, "and the previous release serves meanwhile", during)
        applied = [f"{each['history']} {each['revision']}" for each in plan["migrations"]]
        named = all(f"  {each}\n" in done.stdout for each in applied)
        report.check(named, "the plan named every migration that was applied", applied)

        queued = await _enqueue_jobs(project, http)
        new = await stack.enter_async_context(project.serving(NEW))
        new_http = await stack.enter_async_context(new.client())
        async with traffic(users, [http, new_http], ROOMS) as beside:
            await asyncio.sleep(SECONDS)
        report.check(beside.passed, f"both releases serve side by side for {SECONDS} s at {RATE} requests/s", beside)
        refreshed = [(await user.refresh(user.tokens["refresh_token"])).status_code for user in users]
        report.check(refreshed == [200] * USERS, "no user is signed out", refreshed)
        await _check_jobs(project, queued, report)
        rows = await project.fetchval("SELECT count(*) FROM hotel_rooms")
        expected = ROWS + during.created + beside.created
        report.check(rows == expected, "every row is there", f"{rows} of {expected}")
        await _check_step_back(project, users, plan, old, new, report)


async def _check_plan(project: Project, report: ScenarioReport) -> dict[str, Any]:
    planned = project.run(NEW, "upgrade", "--plan", "--json")
    report.check(planned.returncode == 0, "`upgrade --plan` finds no obstacle", planned.stderr[-300:])
    plan: dict[str, Any] = json.loads(planned.stdout)
    versions = (plan["from_version"], plan["to_version"])
    report.check(versions[0] == "0.1.0" != versions[1], "it names both releases", versions)
    report.check(plan["migrations"], "and the migrations", len(plan["migrations"]))
    report.check(plan["previous_release_runs"], "and that the previous release runs on the new schema")
    for number, step in enumerate(plan["steps"], 1):
        report.note(f"{number}. {step}")
    return plan


async def _enqueue_jobs(project: Project, http: Any) -> list[Any]:
    """Enqueue jobs by the old server. Returns the IDs of all jobs so far."""
    for _ in range(QUEUED):
        (await UserClient(http).register()).raise_for_status()
    connection = await asyncpg.connect(project.url)
    try:
        return [row["id"] for row in await connection.fetch("SELECT id FROM jobs")]
    finally:
        await connection.close()


async def _check_jobs(project: Project, queued: list[Any], report: ScenarioReport) -> None:
    sql = "SELECT count(*) FROM jobs WHERE id = ANY ($1) AND status = 'succeeded'"
    limit = time.monotonic() + 30
    while (succeeded := await project.fetchval(sql, queued)) < len(queued) and time.monotonic() < limit:
        await asyncio.sleep(0.5)
    report.check(succeeded == len(queued), "every job of the previous release runs", f"{succeeded} of {len(queued)}")


async def _check_step_back(
    project: Project, users: list[UserClient], plan: dict[str, Any], old: Stack, new: Stack, report: ScenarioReport
) -> None:
    """Downgrade what the upgrade applied while only the old release serves, and upgrade again."""
    await new.stop()
    async with old.client() as http:
        async with traffic(users, [http], ROOMS) as back:
            for each in reversed(plan["migrations"]):
                words = ("migrate", "downgrade", each["history"], "-1", "--yes")
                undone = await asyncio.to_thread(project.run, NEW, *words)
                report.check(undone.returncode == 0, f"{each['revision']} is reverted", undone.stderr[-300:])
        report.check(back.passed, "the previous release serves while the schema goes back", back)
        async with traffic(users, [http], ROOMS) as again:
            done = await asyncio.to_thread(project.run, NEW, "upgrade", "--yes")
        report.check(done.returncode == 0 and again.passed, "and while it is upgraded again", again)


async def _check_long_reader(project: Project, report: ScenarioReport) -> None:
    """A migration wants a table that a transaction has read and keeps locked."""
    waits = [0.0]
    async with project.serving(NEW) as server, server.client() as http:
        users = [await sign_up(http) for _ in range(USERS)]
        (project.folder / "shop/extensions/hotel/migrations/versions/0002_floor.py").write_text(MIGRATION)
        async with traffic(users, [http], ROOMS) as load:
            ended = await _migrate_behind_reader(project, waits)
    retries = ended.stdout.count("retrying in")
    report.check(ended.returncode == 0, "the migration is applied after the reader", ended.stderr[-300:])
    report.check(retries, f"it was retried behind a reader of {READER_SECONDS} s", f"{retries} times")
    report.check(max(waits) < 2.5, "each attempt gave up the lock within 2 s", f"longest wait {max(waits):.1f} s")
    report.check(load.passed and load.p99 < 1, "and the p99 of the traffic is below 1 s", load)


async def _migrate_behind_reader(project: Project, waits: list[float]) -> "subprocess.CompletedProcess[str]":
    reader = await asyncpg.connect(project.url)
    monitor = await asyncpg.connect(project.url)
    try:
        transaction = reader.transaction()
        await transaction.start()
        await reader.fetchval("SELECT count(*) FROM hotel_rooms")
        migrating = asyncio.create_task(asyncio.to_thread(project.run, NEW, "migrate", "upgrade"))
        end = time.monotonic() + READER_SECONDS
        while time.monotonic() < end:
            waits.append(await monitor.fetchval(WAITING))
            await asyncio.sleep(0.1)
        await transaction.rollback()
        return await migrating
    finally:
        await reader.close()
        await monitor.close()
