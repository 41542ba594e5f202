"""Routes of platform statistics."""

from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from httpx2 import AsyncClient

from undercroft.core.db import Database, utc_now
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]

STATISTICS = "/api/v1/admin/statistics"


@pytest.mark.requires_module("api_keys")
async def test_statistics_are_counted_in_one_statement(
    create_user: CreateUser, admin: AsyncClient, statements: StatementRecorder, rls_enabled: bool
) -> None:
    users = [await create_user() for _ in range(3)]
    team = (await users[0].client.post("/api/v1/app/teams", json={"name": "Acme"})).json()
    gone = (await users[0].client.post("/api/v1/app/teams", json={"name": "Gone"})).json()
    await admin.delete(f"/api/v1/admin/teams/{gone['id']}")
    await users[1].client.post("/api/v1/app/api-keys", json={"name": "x"})
    await admin.post(f"/api/v1/admin/users/{users[2].user_id}/deactivate")
    await statements.clear()
    found = (await admin.get(STATISTICS)).json()
    assert len(await statements.get_all()) == 2 + 2 * rls_enabled
    assert found["users"] == {
        "total": 4, "active": 3, "unverified": 4, "mfa": 0, "administrators": 1, "new_7_days": 4, "new_30_days": 4,
    }  # fmt: skip
    assert found["teams"] == {"total": 5, "personal": 4, "deleted": 1, "new_30_days": 5}
    assert found["sessions"] == {"active": 3, "seen_24_hours": 4, "users_24_hours": 4}
    assert found["api_keys"] == {"total": 1, "used_30_days": 0}
    assert set(found["jobs"]["by_status"]) == {"queued", "running", "succeeded", "failed", "canceled"}
    assert team["id"] != gone["id"]


@pytest.mark.requires_module("api_keys")
async def test_empty_tables_count_as_zero(admin: AsyncClient) -> None:
    found = (await admin.get(STATISTICS)).json()
    assert found["api_keys"] == {"total": 0, "used_30_days": 0}
    assert set(found["jobs"]["by_status"].values()) == {0}


async def test_access_requires_an_administrator(user: AsyncClient, client: AsyncClient) -> None:
    assert (await user.get(STATISTICS)).status_code == 403
    assert (await client.get(STATISTICS)).status_code == 401


async def test_daily_statistics_count_each_of_the_last_30_days_in_one_statement(
    create_user: CreateUser, admin: AsyncClient, statements: StatementRecorder, database: Database, rls_enabled: bool
) -> None:
    old, older = await create_user(), await create_user()
    async with database.session() as session:
        connection = await session.raw()
        for user, days in ((old, 29), (older, 31)):
            age = timedelta(days=days)
            await connection.execute(
                "UPDATE users SET created_at = now() - $2::interval WHERE id = $1", user.user_id, age
            )
        columns = "user_id, kind, created_at, last_seen_at, expires_at, ends_at, ip, user_agent"
        copy = f"INSERT INTO auth_sessions (id, {columns}) SELECT gen_random_uuid(), {columns} FROM auth_sessions"
        await connection.execute(f"{copy} WHERE user_id = $1", old.user_id)
    await statements.clear()
    found = (await admin.get(f"{STATISTICS}/daily")).json()
    assert len(await statements.get_all()) == 2 + 2 * rls_enabled
    assert len(found["days"]) == 30
    assert found["days"][-1] == f"{utc_now():%Y-%m-%d}"
    series = {(each["section"], each["name"]): each["counts"] for each in found["series"]}
    assert (series["users", "registered"][0], series["users", "registered"][-1]) == (1, 1)
    assert sum(series["users", "registered"]) == 2
    assert series["sessions", "users_signed_in"] == [0] * 29 + [3]


async def test_daily_statistics_require_an_administrator(user: AsyncClient) -> None:
    assert (await user.get(f"{STATISTICS}/daily")).status_code == 403
