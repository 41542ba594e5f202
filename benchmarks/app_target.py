"""The application as a target: migrated, with data, served in production mode with all features and raised limits."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx2 as httpx

from benchmarks.database import copy, execute
from benchmarks.machine import PYTHON, BenchmarkError, free_port, run_server, spawn
from benchmarks.rows import BODY, OTHERS, OWNED, spread
from benchmarks.targets import RunningServer, Target
from benchmarks.wrk import Call
from undercroft.devstack.roles import Roles, ensure

PASSWORD = "benchmark-" + secrets.token_urlsafe(16)
CALLER, CREATOR, JOINER = "caller@example.com", "creator@example.com", "joiner@example.com"
TEAMS = 1_000
RAISED_LIMIT = "99999999/minute"
UNDERCROFT = [str(Path(PYTHON).with_name("undercroft"))]


class AppTarget(Target):
    name = "undercroft"

    def __init__(self, superuser_url: str, folder: Path) -> None:
        self._superuser = superuser_url
        self._folder = folder
        self._log = folder / "undercroft.log"
        self.roles = Roles(*(secrets.token_hex(16) for _ in range(3)))
        server = superuser_url.rsplit("/", 1)[0].rsplit(":", 1)[1]
        self._urls = {role: self.roles.url(role, "127.0.0.1", int(server)) for role in ("owner", "app", "admin")}
        self.database = f"{superuser_url.rsplit('/', 1)[0]}/{self.roles.database}"
        self.environment: Mapping[str, str] = self._environment()

    def _environment(self) -> Mapping[str, str]:
        return {
            "ENVIRONMENT": "production",
            "SECRET_KEY": secrets.token_urlsafe(48),
            "PUBLIC_URL": "https://bench.example.com",
            "ALLOWED_HOSTS": "127.0.0.1",
            "DATABASE_URL": self._urls["app"],
            "MIGRATION_DATABASE_URL": self._urls["owner"],
            "ADMIN_DATABASE_URL": self._urls["admin"],
            "EMAIL_PROVIDER": "smtp",
            "SMTP_HOST": "127.0.0.1",
            "EMAIL_FROM": "bench@example.com",
            "ACCESS_TOKEN_MINUTES": "60",
            **{f"RATE_LIMIT_{group}": RAISED_LIMIT for group in ("PUBLIC", "AUTH", "APP", "ADMIN", "SIGN_IN")},
            "UNDERCROFT_ENV_FILE": str(self._folder / "no.env"),
        }

    async def fill(self) -> None:
        await ensure(self._superuser, self.roles)
        self._migrate()
        connection = await asyncpg.connect(self.database)
        try:
            await _fill(connection)
        finally:
            await connection.close()
        await execute(self.database, "VACUUM ANALYZE")

    def enable_rls(self) -> None:
        """Enable TENANT_RLS."""
        self.environment = {**self.environment, "TENANT_RLS": "on"}
        self._migrate()

    def _migrate(self) -> None:
        if spawn([*UNDERCROFT, "migrate", "upgrade"], self.environment, self._log, core=1).wait(120):
            raise BenchmarkError(f"The migrations failed:\n{self._log.read_text(errors='replace')[-3000:]}")

    @contextmanager
    def serve(self) -> Iterator[RunningServer]:
        port = free_port()
        address = f"http://127.0.0.1:{port}"
        command = [*UNDERCROFT, "serve", "--host", "127.0.0.1", "--port", str(port)]
        with run_server(command, self.environment, f"{address}/health", self._log) as served:
            yield RunningServer(self._calls(address), served.group, served.seconds)

    async def clean_up(self) -> None:
        await execute(self.database, "DELETE FROM projects WHERE name = 'A project'", "VACUUM ANALYZE projects")

    def _calls(self, address: str) -> dict[str, Call]:
        reader, writer, joiner = (sign_in(address, email) for email in (CALLER, CREATOR, JOINER))
        api = f"{address}/api/v1/app"
        return {
            "health": Call(f"{address}/health"),
            "me": Call(f"{api}/users/me", headers=reader),
            "list": Call(f"{api}/projects", headers=reader),
            "create": Call(f"{api}/projects", "POST", {**writer, "Content-Type": "application/json"}, BODY),
            "me of many teams": Call(f"{api}/users/me", headers=joiner),
        }


def sign_in(address: str, email: str) -> dict[str, str]:
    """Sign in and return the authorization header. Raises `BenchmarkError` if sign-in fails."""
    body = {"email": email, "password": PASSWORD}
    response = httpx.post(f"{address}/api/v1/auth/login", json=body, timeout=30, trust_env=False)
    if response.status_code != 200:
        raise BenchmarkError(f"Signing in {email} failed: {response.status_code} {response.text}")
    return {"Authorization": f"Bearer {response.json()['access_token']}"}


async def _fill(connection: asyncpg.Connection) -> None:
    """Insert users with personal teams and projects, and one user who is a member of 1,000 teams."""
    from undercroft.core.security import passwords
    from undercroft.modules.projects.models import Project
    from undercroft.modules.teams.models import Membership, Team
    from undercroft.modules.users.models import User

    hashed, now = await passwords.hash(PASSWORD, subject="benchmark"), datetime.now(UTC)
    addresses = [CALLER, CREATOR, JOINER, *(f"u{number}@example.com" for number in range(97))]
    users = [User(email=address, password_hash=hashed, email_verified_at=now) for address in addresses]
    teams = [Team(name="Personal", slug=f"p{n}", personal_user_id=user.id) for n, user in enumerate(users)]
    joined = [Team(name=f"Team {n}", slug=f"t{n}") for n in range(TEAMS - 1)]
    members = [Membership(team_id=t.id, user_id=u.id, role="owner") for t, u in zip(teams, users, strict=True)]
    members += [Membership(team_id=team.id, user_id=users[2].id) for team in joined]
    for table, rows in (("users", users), ("teams", [*teams, *joined]), ("memberships", members)):
        await copy(connection, table, [_columns(row) for row in rows])
    template = _columns(Project(name="Project", description="As it was", team_id=teams[0].id))
    owners = spread({teams[0].id: OWNED}, [team.id for team in teams[3:]], OTHERS)
    await copy(connection, "projects", [_project(template, n, team, now) for n, team in enumerate(owners)])


def _columns(row: Any) -> dict[str, Any]:
    return {name: json.dumps(value) if isinstance(value, dict) else value for name, value in row.model_dump().items()}


def _project(template: dict[str, Any], number: int, team: Any, now: datetime) -> dict[str, Any]:
    from undercroft.core.ids import new_id

    at = now - timedelta(seconds=number)
    return template | {"id": new_id(), "team_id": team, "name": f"Project {number}", "created_at": at, "updated_at": at}
