"""A request that waited for an idempotency key or a stored response is authorized again before it commits."""

import asyncio
from typing import Any

import pytest
from httpx2 import AsyncClient

from tests.core.db.row_locks import count, holding_locks
from tests.modules.sessions.test_reauthorization import KEYS, SESSION_ENDED
from tests.modules.teams.requests import PROJECTS, assert_error, assert_success
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.testing.users import make_client


@pytest.mark.parametrize("two_processes", [False, True])
async def test_request_waiting_for_an_idempotency_key_is_rejected_when_its_session_is_revoked(
    app: Api, start_instance: Any, database: Database, create_user: Any, two_processes: bool
) -> None:
    """Two requests with one key, in one process or in two: both are rejected, and the key is released."""
    user = await create_user()
    headers = {"Idempotency-Key": "one-and-the-same", "Authorization": f"Bearer {user.token}"}
    async with make_client(await start_instance() if two_processes else app) as other:
        lock = "SELECT id FROM users WHERE id = $1 FOR UPDATE"
        async with holding_locks(database, lock, user.user_id) as blocked:
            await blocked.send(user.client.post(KEYS, json={"name": "k"}, headers=headers))
            await blocked.send(other.post(KEYS, json={"name": "k"}, headers=headers), waiting=two_processes)
            await blocked.execute("UPDATE auth_sessions SET revoked_at = now() WHERE user_id = $1", user.user_id)
        for response in await asyncio.gather(*blocked.requests):
            assert_error(response, *SESSION_ENDED)
    assert await count(database, "SELECT count(*) FROM api_keys") == 0
    assert await count(database, "SELECT count(*) FROM idempotency_keys") == 0


async def test_stored_response_is_not_replayed_when_the_session_is_revoked_during_the_wait(
    database: Database, user: AsyncClient
) -> None:
    headers = {"Idempotency-Key": "one-and-the-same"}
    assert_success(await user.post(PROJECTS, json={"name": "Website"}, headers=headers))
    async with holding_locks(database, "SELECT digest FROM idempotency_keys FOR UPDATE") as blocked:
        await blocked.send(user.post(PROJECTS, json={"name": "Website"}, headers=headers))
        await blocked.execute("UPDATE auth_sessions SET revoked_at = now()")
    assert_error(await blocked.requests[0], *SESSION_ENDED)
    assert await count(database, "SELECT count(*) FROM projects") == 1
