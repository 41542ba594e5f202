"""The keys that sign access tokens."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2 as httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import delete
from sqlmodel import select

from tests.modules.auth.users import RegisteredUser, sign_in
from undercroft.core.db import Database, utc_now
from undercroft.core.errors import ConfigurationError
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.sessions import SessionServices
from undercroft.modules.sessions.models import KeyState, SigningKey
from undercroft.modules.sessions.service import signing_keys
from undercroft.modules.sessions.service.signing_keys import (
    SigningKeyService,
    publication_period,
    retired_key_retention,
)
from undercroft.testing.statements import StatementRecorder


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def restore_keys(app: Api, database: Database) -> AsyncIterator[None]:
    """Restore the keys of the shared application after the test."""
    values = [row.model_dump(warnings=False) for row in (await load_keys(database)).values()]
    yield
    await remove_keys(database)
    async with database.session() as session:
        session.add_all([SigningKey(**value) for value in values])
    await app.context.get(SessionServices).keys.load()


async def remove_keys(database: Database) -> None:
    async with database.session() as session:
        await session.execute(delete(SigningKey))


async def load_keys(database: Database) -> dict[str, SigningKey]:
    async with database.read_session() as session:
        return {row.kid: row for row in (await session.scalars(select(SigningKey))).all()}


async def key_states(database: Database) -> list[str]:
    return sorted(row.state for row in (await load_keys(database)).values())


async def reset_key_age(database: Database) -> None:
    """Set the creation time of the keys to now; they are as old as the test run."""
    async with database.session() as session:
        for row in (await session.scalars(select(SigningKey))).all():
            row.created_at = utc_now()


async def age_keys(database: Database, span: timedelta) -> None:
    async with database.session() as session:
        connection = await session.raw()
        for column in ("created_at", "retired_at"):
            await connection.execute(f"UPDATE auth_signing_keys SET {column} = {column} - $1::interval", span)


async def test_concurrent_processes_create_one_active_and_one_next_key(database: Database) -> None:
    await remove_keys(database)
    processes = [SigningKeyService(database) for _ in range(4)]
    await asyncio.gather(*(process.ensure() for process in processes))
    assert await key_states(database) == ["active", "next"]
    late = SigningKeyService(database)  # signs without having loaded the keys
    assert len({(await process.active()).kid for process in (*processes, late)}) == 1
    assert len({await process.jwks() for process in processes}) == 1


async def test_private_key_is_encrypted_and_bound_to_its_id(database: Database) -> None:
    stored = await load_keys(database)
    first, second = stored.values()
    assert b"PRIVATE" not in (first.private_sealed or b"")
    async with database.session() as session:
        for row in (await session.scalars(select(SigningKey))).all():
            row.private_sealed = (second if row.kid == first.kid else first).private_sealed
    with pytest.raises(ConfigurationError, match="SECRET_KEY"):
        await SigningKeyService(database).load()


async def test_jwks_contains_only_public_keys(http: httpx.AsyncClient) -> None:
    response = await http.get("/.well-known/jwks.json")
    assert response.headers["cache-control"] == "public, max-age=300"
    keys = response.json()["keys"]
    assert [set(key) for key in keys] == [{"kty", "n", "e", "kid", "use", "alg"}] * 2
    assert {key["alg"] for key in keys} == {"RS256"}


async def test_rotation_keeps_tokens_valid_and_waits_for_the_publication_period(
    http: httpx.AsyncClient, ada: RegisteredUser, session_services: SessionServices, database: Database
) -> None:
    await reset_key_age(database)
    with pytest.raises(ConfigurationError, match="too recently"):
        await SigningKeyService(database).rotate()
    await age_keys(database, publication_period())
    before = await session_services.keys.active()
    published = {key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]}
    active, next_key = await SigningKeyService(database).rotate()
    assert active in published
    assert next_key not in published
    await session_services.keys.load()
    assert (await session_services.keys.active()).kid == active != before.kid
    assert (await ada.get("/app/users/me")).status_code == 200
    tokens = (await sign_in(http, ada.email)).json()
    assert (await ada.get("/app/users/me", Authorization=f"Bearer {tokens['access_token']}")).status_code == 200
    stored = await load_keys(database)
    assert await key_states(database) == ["active", "next", "retired"]
    assert stored[before.kid].private_sealed is None


async def test_retired_key_is_removed_after_the_last_token_expires(
    session_services: SessionServices, database: Database
) -> None:
    before = (await session_services.keys.active()).kid
    await SigningKeyService(database).rotate(early=True)
    await session_services.keys.load()
    assert session_services.keys.public(before) is not None
    await age_keys(database, retired_key_retention())
    await session_services.keys.load()
    assert session_services.keys.public(before) is None


async def test_concurrent_rotations_leave_one_active_and_one_next_key(database: Database) -> None:
    await asyncio.gather(*(SigningKeyService(database).rotate(early=True) for _ in range(3)))
    assert await key_states(database) == ["active", "next", *["retired"] * 3]


async def test_rotation_without_keys_fails(database: Database) -> None:
    await remove_keys(database)
    with pytest.raises(ConfigurationError, match="no signing keys"):
        await SigningKeyService(database).rotate()


async def test_unknown_key_ids_cause_one_reload_in_ten_seconds(
    database: Database, statements: StatementRecorder
) -> None:
    keys = SigningKeyService(database)
    await keys.load()
    await statements.clear()
    for number in range(20):
        assert await keys.get_key(f"unknown {number}") is None
    await statements.get_all()
    assert statements.count == 1


async def test_process_loads_a_key_that_another_process_created(database: Database) -> None:
    keys = SigningKeyService(database)
    await keys.load()
    _, next_key = await SigningKeyService(database).rotate(early=True)
    assert keys.public(next_key) is None
    assert await keys.get_key(next_key) is not None


@pytest.fixture
def another_secret() -> CoreSettings:
    secret = SecretStr("another secret of good length 0123456789")
    return load(CoreSettings).model_copy(update={"secret_key": secret})


async def test_startup_with_another_secret_key_names_secret_keys(
    database: Database, another_secret: CoreSettings
) -> None:
    use(another_secret)
    with pytest.raises(ConfigurationError, match="SECRET_KEYS"):
        await SigningKeyService(database).ensure()


async def test_keys_are_reencrypted_when_the_old_secret_is_in_secret_keys(
    database: Database, another_secret: CoreSettings
) -> None:
    old = load(CoreSettings).secret_key
    use(another_secret.model_copy(update={"secret_keys": [old]}))
    await SigningKeyService(database).ensure()
    use(another_secret)
    await SigningKeyService(database).ensure()
    assert await key_states(database) == ["active", "next"]


async def test_key_id_is_the_thumbprint_of_the_key() -> None:
    key = await signing_keys.generate_key()
    assert signing_keys.key_id(key.public_key()) == signing_keys.key_id(key.public_key())
    assert len(signing_keys.key_id(key.public_key())) == 43
    assert utc_now() - publication_period() < utc_now()
    assert KeyState.NEXT == "next"
