"""What is done beside requests: starting, stopping, forgetting."""

import asyncio

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr
from sqlalchemy import func, select
from starlette.requests import Request

from tests.modules.auth.people import Person, new_address, post, register
from undercroft.core.db import Database, DatabaseSettings
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.errors import ConfigurationError
from undercroft.core.health import Health
from undercroft.core.settings import CoreSettings, load, use
from undercroft.jobs import enqueue
from undercroft.modules.auth import startup
from undercroft.modules.auth.authenticator import TokenAuthenticator
from undercroft.modules.auth.identity import Identity
from undercroft.modules.auth.models import AuthSession, MailRequest, MailToken, RefreshToken, Registration
from undercroft.modules.auth.tasks import clean_up
from undercroft.testing.jobs import JobsInTest


def application(database: Database) -> FastAPI:
    app = FastAPI()
    app.state.database = database
    app.state.health = Health()
    return app


async def test_stopping_writes_what_was_seen_last(ada: Person, database: Database) -> None:
    app = application(database)
    await startup.start(app)
    identity: Identity = app.state.identity
    async with database.session() as session:
        session_id = await session.scalar(select(AuthSession.id))
        await (await session.raw()).execute("UPDATE auth_sessions SET last_seen_at = now() - interval '1 day'")
    identity.last_seen.note(session_id, "203.0.113.5")
    await startup.stop(app)
    async with database.reading() as session:
        assert await session.scalar(select(AuthSession.ip)) == "203.0.113.5"


async def test_without_a_secret_key_nothing_starts(database: Database) -> None:
    settings = load(CoreSettings)
    use(settings.model_copy(update={"secret_key": SecretStr("")}))
    try:
        with pytest.raises(ConfigurationError, match="SECRET_KEY"):
            await startup.start(application(database))
    finally:
        use(settings)


async def test_what_was_seen_and_could_not_be_written_is_not_lost(ada: Person, identity: Identity) -> None:
    class Down:
        def session(self) -> None:
            raise ConnectionError

    await ada.get("/app/users/me")
    with pytest.raises(ConnectionError):
        await identity.last_seen.flush(Down())  # type: ignore[arg-type]
    assert await identity.last_seen.flush(identity.database) >= 1


async def test_what_has_had_its_time_is_forgotten_and_what_has_not_is_kept(
    http: httpx.AsyncClient, ada: Person, database: Database, jobs: JobsInTest
) -> None:
    await register(http, new_address())
    await post(http, "/password/forgot", {"email": ada.email})
    await post(http, "/refresh", {"refresh_token": ada.refresh_token})
    await jobs.run_all()
    kept = await counts(database)
    await cleaned(database, jobs)
    assert await counts(database) == kept
    async with database.session() as session:
        connection = await session.raw()
        for table in ("auth_registrations", "auth_mail_requests", "auth_mail_tokens", "auth_sessions"):
            await connection.execute(f"UPDATE {table} SET expires_at = now() - interval '100 days'")
    await cleaned(database, jobs)
    assert await counts(database) == [0, 0, 0, 0, 0]


async def cleaned(database: Database, jobs: JobsInTest) -> None:
    async with database.session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()


async def counts(database: Database) -> list[int]:
    models = (Registration, MailRequest, MailToken, AuthSession, RefreshToken)
    async with database.reading() as session:
        return [int(await session.scalar(select(func.count()).select_from(model))) for model in models]


async def test_the_upkeep_goes_on_after_a_failure(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    from undercroft.modules.auth import identity as module

    identity, rounds = Identity.over(database), asyncio.Event()
    calls = 0

    async def flush(_database: Database) -> int:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise ConnectionError
        rounds.set()
        return 0

    monkeypatch.setattr(module, "FLUSH_SECONDS", 0.01)
    monkeypatch.setattr(identity.last_seen, "flush", flush)
    keeping = asyncio.create_task(identity.keep())
    async with asyncio.timeout(5):
        await rounds.wait()
    keeping.cancel()


async def test_an_outage_at_the_start_signs_nobody_out(ada: Person, identity: Identity, database: Database) -> None:
    down = Database(load(DatabaseSettings), "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    app = application(down)
    await startup.start(app)
    started: Identity = app.state.identity
    try:
        for _ in range(3):
            with pytest.raises(DatabaseUnavailable):
                await started.tokens.verify(ada.access_token)
        with pytest.raises(DatabaseUnavailable):
            await started.keys.jwks()
        started.keys._database = database
        assert await started.tokens.verify(ada.access_token)
        assert await started.keys.jwks() == await identity.keys.jwks()
    finally:
        await startup.stop(app)
        await down.close()


async def test_an_outage_is_no_reason_to_be_unauthorized(ada: Person, identity: Identity) -> None:
    down = Database(load(DatabaseSettings), "postgresql://nobody:nothing@127.0.0.1:1/nowhere")
    authenticator = TokenAuthenticator(down, identity.tokens, identity.last_seen, identity.last_used)
    headers = {b"authorization": f"Bearer {ada.access_token}".encode()}
    scope = {"type": "http", "method": "GET", "headers": list(headers.items()), "state": {"request_headers": headers}}
    with pytest.raises(DatabaseUnavailable):
        await authenticator.authenticate(Request(scope))
    await down.close()
