"""Startup, shutdown, maintenance and cleanup of the auth module."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.requests import Request

from tests.modules.auth.users import RegisteredUser, new_email, post, register
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.errors import ConfigurationError
from undercroft.core.health import Health
from undercroft.core.settings import CoreSettings, load, use
from undercroft.jobs import enqueue
from undercroft.modules.auth import lifespan
from undercroft.modules.auth.authenticator import TokenAuthenticator
from undercroft.modules.auth.models import AuthSession, MailRequest, MailToken, RefreshToken, Registration
from undercroft.modules.auth.services import AuthServices
from undercroft.modules.auth.tasks import clean_up
from undercroft.testing.jobs import CapturedJobs


def create_application(database: Database) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.health = Health()
    return app


async def test_shutdown_flushes_last_seen_times(ada: RegisteredUser, database: Database) -> None:
    app = create_application(database)
    await lifespan.start(app)
    auth_services: AuthServices = app.state.auth_services
    async with database.session() as session:
        session_id = await session.scalar(select(AuthSession.id))
        await (await session.raw()).execute("UPDATE auth_sessions SET last_seen_at = now() - interval '1 day'")
    auth_services.last_seen.record_use(session_id, "203.0.113.5")
    await lifespan.stop(app)
    async with database.read_session() as session:
        assert await session.scalar(select(AuthSession.ip)) == "203.0.113.5"


async def test_startup_fails_without_a_secret_key(database: Database) -> None:
    settings = load(CoreSettings)
    use(settings.model_copy(update={"secret_key": SecretStr("")}))
    try:
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            await lifespan.start(create_application(database))
    finally:
        use(settings)


async def test_failed_flush_keeps_the_last_seen_times(ada: RegisteredUser, auth_services: AuthServices) -> None:
    class Down:
        def session(self) -> None:
            raise ConnectionError

    await ada.get("/app/users/me")
    with pytest.raises(ConnectionError):
        await auth_services.last_seen.flush(Down())  # type: ignore[arg-type]
    assert await auth_services.last_seen.flush(auth_services.database) >= 1


async def test_clean_up_deletes_only_expired_rows(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database, jobs: CapturedJobs
) -> None:
    await register(http, new_email())
    await post(http, "/password/forgot", {"email": ada.email})
    await post(http, "/refresh", {"refresh_token": ada.refresh_token})
    await jobs.run_all()
    before = await row_counts(database)
    await run_clean_up(database, jobs)
    assert await row_counts(database) == before
    async with database.session() as session:
        connection = await session.raw()
        for table in ("auth_registrations", "auth_mail_requests", "auth_mail_tokens", "auth_sessions"):
            await connection.execute(f"UPDATE {table} SET expires_at = now() - interval '100 days'")
    await run_clean_up(database, jobs)
    assert await row_counts(database) == [0, 0, 0, 0, 0]


async def run_clean_up(database: Database, jobs: CapturedJobs) -> None:
    async with database.session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()


async def row_counts(database: Database) -> list[int]:
    models = (Registration, MailRequest, MailToken, AuthSession, RefreshToken)
    async with database.read_session() as session:
        return [int(await session.scalar(select(func.count()).select_from(model))) for model in models]


async def test_maintenance_continues_after_a_failure(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from undercroft.modules.auth import services as module

    auth_services, rounds = AuthServices.create(database), asyncio.Event()
    calls = 0

    async def flush(_database: Database) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError
        rounds.set()
        return 0

    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(auth_services.last_seen, "flush", flush)
    maintenance = asyncio.create_task(auth_services.run_maintenance())
    async with asyncio.timeout(5):
        await rounds.wait()
    maintenance.cancel()


async def test_tokens_stay_valid_after_a_database_outage_at_startup(
    ada: RegisteredUser, auth_services: AuthServices, database: Database
) -> None:
    down = Database(load(DatabaseSettings), "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    app = create_application(down)
    await lifespan.start(app)
    started: AuthServices = app.state.auth_services
    try:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await started.tokens.verify(ada.access_token)
        with pytest.raises(DatabaseUnavailable):
            await started.keys.jwks()
        started.keys._database = database
        assert await started.tokens.verify(ada.access_token)
        assert await started.keys.jwks() == await auth_services.keys.jwks()
    finally:
        await lifespan.stop(app)
        await down.close()


async def test_database_outage_raises_unavailable_instead_of_unauthorized(
    ada: RegisteredUser, auth_services: AuthServices
) -> None:
    down = Database(load(DatabaseSettings), "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    authenticator = TokenAuthenticator(down, auth_services.tokens, auth_services.last_seen, auth_services.last_used)
    headers = {b"authorization": f"Bearer {ada.access_token}".encode()}
    scope = {"type": "http", "method": "GET", "headers": list(headers.items()), "state": {"request_headers": headers}}
    with pytest.raises(DatabaseUnavailable):
        await authenticator.authenticate(Request(scope))
    await down.close()
