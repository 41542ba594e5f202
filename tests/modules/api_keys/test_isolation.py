"""Changes of one key or one owner do not affect other keys."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from uuid import UUID

import pytest
from httpx2 import AsyncClient
from sqlmodel import col, select

from tests.modules.api_keys.requests import (
    KEYS,
    ME,
    PROJECTS,
    api_key_client,
    assert_error,
    make_key,
    make_team,
    team_header,
)
from tests.modules.auth.users import PASSWORD, RegisteredUser
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.core.settings import use
from undercroft.modules.api_keys.models import ApiKey
from undercroft.modules.api_keys.repository import ApiKeyLastUsed
from undercroft.modules.api_keys.settings import ApiKeySettings
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


async def status_with_key(app: Api, key: str, path: str = ME) -> int:
    async with api_key_client(app, key) as http:
        return (await http.get(path)).status_code


async def test_account_deletion_deletes_only_its_own_keys(app: Api, ada: RegisteredUser, user: AsyncClient) -> None:
    other = await make_key(user)
    team = (await ada.send("POST", "/app/teams", {"name": "Acme"})).json()["id"]
    own = [(await ada.send("POST", "/app/api-keys", {"name": "x"})).json()["key"] for _ in range(2)]
    assert (await ada.send("DELETE", f"/app/teams/{team}")).status_code == 204

    assert (await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})).status_code == 204

    assert [await status_with_key(app, key) for key in own] == [401, 401]
    assert await status_with_key(app, other["key"]) == 200


@pytest.mark.requires_module("projects")
@pytest.mark.parametrize("act", ["rotate", "delete", "expire", "narrow"])
async def test_change_of_one_key_leaves_the_others_of_its_owner(app: Api, user: AsyncClient, act: str) -> None:
    first, second = await make_key(user), await make_key(user)
    before = (await user.get(f"{KEYS}/{second['id']}")).json()
    path = f"{KEYS}/{first['id']}"
    if act == "rotate":
        assert (await user.post(f"{path}/rotate", json={"overlap_hours": 0})).status_code == 200
    elif act == "delete":
        assert (await user.delete(path)).status_code == 204
    else:
        soon = (utc_now() + timedelta(hours=1)).isoformat()
        body = {"expires_at": soon} if act == "expire" else {"scopes": ["projects:read"]}
        assert (await user.patch(path, json=body)).status_code == 200

    assert (await user.get(f"{KEYS}/{second['id']}")).json() == before
    assert await status_with_key(app, second["key"]) == 200


async def test_keys_of_others_do_not_count_towards_the_limit(user: AsyncClient, stranger: AsyncClient) -> None:
    team, other = await make_team(user), await make_team(user)
    use(ApiKeySettings(api_keys_max=2))
    for client, named, kind in (
        (stranger, None, "user"),
        (user, None, "user"),
        (user, team, "team"),
        (user, other, "team"),
    ):
        body = {"name": "x", "kind": kind}
        for _ in range(2):
            assert (await client.post(KEYS, json=body, headers=team_header(named))).status_code == 201
        third = await client.post(KEYS, json=body, headers=team_header(named))
        assert_error(third, 409, "TOO_MANY_API_KEYS")
        assert third.json()["error"]["details"] == {"limit": 2}


async def test_last_use_is_recorded_only_for_the_used_key_and_never_goes_back(
    user: AsyncClient, database: Database
) -> None:
    first, second = await make_key(user), await make_key(user)
    late, early = ApiKeyLastUsed(), ApiKeyLastUsed()
    early.record_use(UUID(first["id"]), "192.0.2.1")
    late.record_use(UUID(first["id"]), "192.0.2.2")
    assert await late.flush(database) == 1
    assert await early.flush(database) == 1
    used = [(await user.get(f"{KEYS}/{each['id']}")).json() for each in (first, second)]
    assert [each["last_used_ip"] for each in used] == ["192.0.2.2", ""]
    assert used[1]["last_used_at"] is None


async def test_key_list_is_paginated_searchable_and_sorted(user: AsyncClient, stranger: AsyncClient) -> None:
    for name in ("Beta", "Alpha", "Gamma"):
        await make_key(user, name=name)
    await make_key(stranger, name="Alpha")
    pages = [(await user.get(KEYS, params={"page": page, "size": 2, "sort": "name"})).json() for page in (1, 2, 3)]
    assert [[each["name"] for each in page["items"]] for page in pages] == [["Alpha", "Beta"], ["Gamma"], []]
    assert [page["total"] for page in pages] == [3, 3, 3]
    page = (await user.get(KEYS, params={"q": "lpha"})).json()
    assert (page["total"], [each["name"] for each in page["items"]]) == (1, ["Alpha"])


async def test_expired_key_can_be_changed_without_a_new_expiry(user: AsyncClient, database: Database) -> None:
    created = await make_key(user, expires_at=(utc_now() + timedelta(hours=1)).isoformat())
    async with database.session() as session:
        key = (await session.scalars(select(ApiKey).where(col(ApiKey.id) == created["id"]))).one()
        key.expires_at = past = utc_now() - timedelta(hours=1)
    path = f"{KEYS}/{created['id']}"
    unchanged = await user.patch(path, json={"name": "Renamed", "expires_at": past.isoformat()})
    assert (unchanged.status_code, unchanged.json()["name"]) == (200, "Renamed")
    assert_error(await user.patch(path, json={"expires_at": utc_now().isoformat()}), 422, "EXPIRY_IN_PAST")


@pytest.mark.requires_module("projects")
async def test_revoking_a_team_key_leaves_user_keys_valid(app: Api, user: AsyncClient) -> None:
    team = await make_team(user)
    teams, own = await make_key(user, team=team, kind="team"), await make_key(user)
    assert (await user.delete(f"{KEYS}/{teams['id']}", headers=team_header(team))).status_code == 204
    assert await status_with_key(app, teams["key"], PROJECTS) == 401
    assert await status_with_key(app, own["key"], PROJECTS) == 200
