"""Startup, shutdown and cleanup of sessions and sign-in."""

import httpx2 as httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.requests import Request

from tests.modules.auth.users import RegisteredUser, new_email, post, register
from undercroft.core.context import AppContext
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.errors import ConfigurationError
from undercroft.core.health import Health
from undercroft.core.settings import CoreSettings, load, use
from undercroft.jobs import enqueue
from undercroft.modules.auth.models import MailRequest, MailToken, Registration
from undercroft.modules.auth.tasks import clean_up as clean_up_links
from undercroft.modules.sessions import SessionServices, lifespan
from undercroft.modules.sessions.models import AuthSession, RefreshToken
from undercroft.modules.sessions.service.authenticator import TokenAuthenticator
from undercroft.modules.sessions.tasks import clean_up
from undercroft.testing.jobs import CapturedJobs


def create_context(database: Database) -> AppContext:
    context = AppContext()
    context.add(Database, database)
    context.add(Health, Health())
    return context


async def test_shutdown_flushes_last_seen_times(ada: RegisteredUser, database: Database) -> None:
    context = create_context(database)
    await lifespan.start(context)
    session_services = context.get(SessionServices)
    async with database.session() as session:
        session_id = await session.scalar(select(AuthSession.id))
        await (await session.raw()).execute("UPDATE auth_sessions SET last_seen_at = now() - interval '1 day'")
    session_services.last_seen.record_use(session_id, "203.0.113.5")
    await lifespan.stop(context)
    async with database.read_session() as session:
        assert await session.scalar(select(AuthSession.ip)) == "203.0.113.5"


async def test_startup_fails_without_a_secret_key(database: Database) -> None:
    use(load(CoreSettings).model_copy(update={"secret_key": SecretStr("")}))
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        await lifespan.start(create_context(database))


async def test_failed_flush_keeps_the_last_seen_times(ada: RegisteredUser, session_services: SessionServices) -> None:
    class Down:
        def session(self) -> None:
            raise ConnectionError

    await ada.get("/app/users/me")
    with pytest.raises(ConnectionError):
        await session_services.last_seen.flush(Down())  # type: ignore[arg-type]
    assert await session_services.last_seen.flush(session_services.database) >= 1


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
        await enqueue(session, clean_up_links)
    await jobs.run_all()


async def row_counts(database: Database) -> list[int]:
    models = (Registration, MailRequest, MailToken, AuthSession, RefreshToken)
    async with database.read_session() as session:
        return [int(await session.scalar(select(func.count()).select_from(model))) for model in models]


async def test_tokens_stay_valid_after_a_database_outage_at_startup(
    ada: RegisteredUser, session_services: SessionServices, database: Database
) -> None:
    down = Database(load(DatabaseSettings), "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    context = create_context(down)
    await lifespan.start(context)
    started = context.get(SessionServices)
    try:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await started.tokens.verify(ada.access_token)
        with pytest.raises(DatabaseUnavailable):
            await started.keys.jwks()
        started.keys._database = database
        assert await started.tokens.verify(ada.access_token)
        assert await started.keys.jwks() == await session_services.keys.jwks()
    finally:
        await lifespan.stop(context)
        await down.close()


async def test_database_outage_raises_unavailable_instead_of_unauthorized(
    ada: RegisteredUser, session_services: SessionServices
) -> None:
    down = Database(load(DatabaseSettings), "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    authenticator = TokenAuthenticator(down, session_services.tokens, session_services.last_seen)
    headers = {b"authorization": f"Bearer {ada.access_token}".encode()}
    scope = {"type": "http", "method": "GET", "headers": list(headers.items()), "state": {"request_headers": headers}}
    with pytest.raises(DatabaseUnavailable):
        await authenticator.authenticate(Request(scope))
    await down.close()
