"""Rotation of API keys with an overlap."""

import asyncio
from datetime import timedelta

import pytest
from httpx2 import AsyncClient

from tests.modules.api_keys.requests import KEYS, ME, api_key_client, assert_error, change_row, make_key
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api


async def test_previous_key_expires_a_day_after_the_rotation(app: Api, user: AsyncClient, database: Database) -> None:
    created = await make_key(user)
    response = await user.post(f"{KEYS}/{created['id']}/rotate")
    again = response.json()
    assert response.headers["cache-control"] == "no-store"
    assert (again["id"], again["prefix"]) == (created["id"], created["prefix"])
    assert again["key"] != created["key"]
    day = timedelta(hours=24)
    assert abs(_moment(again["previous_until"]) - (utc_now() + day)) < timedelta(minutes=5)
    async with api_key_client(app, created["key"]) as before, api_key_client(app, again["key"]) as after:
        assert (await before.get(ME)).status_code == (await after.get(ME)).status_code == 200
        await change_row(database, created["id"], previous_until=utc_now())
        assert_error(await before.get(ME), 401, "INVALID_API_KEY")
        assert (await after.get(ME)).status_code == 200
    assert (await user.get(f"{KEYS}/{created['id']}")).json()["previous_until"] is None


async def test_rotation_without_overlap_revokes_the_previous_key(app: Api, user: AsyncClient) -> None:
    created = await make_key(user)
    path = f"{KEYS}/{created['id']}/rotate"
    second = (await user.post(path, json={"overlap_hours": 1})).json()["key"]
    assert_error(await user.post(path), 409, "ROTATION_OVERLAPS")
    third = (await user.post(path, json={"overlap_hours": 0})).json()["key"]
    for key, status in ((created["key"], 401), (second, 401), (third, 200)):
        async with api_key_client(app, key) as http:
            assert (await http.get(ME)).status_code == status


async def test_one_of_concurrent_rotations_succeeds_and_the_key_in_use_stays_valid(app: Api, user: AsyncClient) -> None:
    created = await make_key(user)
    async with api_key_client(app, created["key"]) as http:
        rotations = [user.post(f"{KEYS}/{created['id']}/rotate") for _ in range(5)]
        uses = [http.get(ME) for _ in range(20)]
        responses = await asyncio.gather(*rotations, *uses)
    assert sorted(response.status_code for response in responses[:5]) == [200, 409, 409, 409, 409]
    assert {response.status_code for response in responses[5:]} == {200}
    won = next(response for response in responses if "key" in response.json())
    async with api_key_client(app, won.json()["key"]) as http:
        assert (await http.get(ME)).status_code == 200


async def test_concurrent_rotation_and_deletion_leave_no_valid_key(app: Api, user: AsyncClient) -> None:
    created = await make_key(user)
    path = f"{KEYS}/{created['id']}"
    rotated, deleted = await asyncio.gather(user.post(f"{path}/rotate"), user.delete(path))
    assert deleted.status_code == 204
    assert rotated.status_code in (200, 404)
    for key in {created["key"], rotated.json().get("key", created["key"])}:
        async with api_key_client(app, key) as http:
            assert_error(await http.get(ME), 401, "INVALID_API_KEY")


async def test_rotation_does_not_renew_an_expired_key(app: Api, user: AsyncClient, database: Database) -> None:
    created = await make_key(user)
    await change_row(database, created["id"], expires_at=utc_now())
    again = (await user.post(f"{KEYS}/{created['id']}/rotate")).json()
    for key in (created["key"], again["key"]):
        async with api_key_client(app, key) as http:
            assert_error(await http.get(ME), 401, "API_KEY_EXPIRED")


@pytest.mark.parametrize("hours", [-1, 721, "NaN", 1e308])
async def test_overlap_out_of_range_is_refused(user: AsyncClient, hours: object) -> None:
    created = await make_key(user)
    assert (await user.post(f"{KEYS}/{created['id']}/rotate", json={"overlap_hours": hours})).status_code == 422


def _moment(text: str):
    from datetime import datetime

    return datetime.fromisoformat(text)
