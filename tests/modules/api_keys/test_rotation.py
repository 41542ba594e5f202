"""A key gets another secret while programs go on with the one before."""

import asyncio
from datetime import timedelta

import pytest
from httpx import AsyncClient

from tests.modules.api_keys.requests import KEYS, ME, api_key_client, assert_error, change_row, make_key
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api


async def test_the_earlier_key_goes_on_for_a_day_and_then_dies(app: Api, user: AsyncClient, database: Database) -> None:
    made = await make_key(user)
    response = await user.post(f"{KEYS}/{made['id']}/rotate")
    again = response.json()
    assert response.headers["cache-control"] == "no-store"
    assert (again["id"], again["prefix"]) == (made["id"], made["prefix"])
    assert again["key"] != made["key"]
    day = timedelta(hours=24)
    assert abs(_moment(again["previous_until"]) - (utc_now() + day)) < timedelta(minutes=5)
    async with api_key_client(app, made["key"]) as before, api_key_client(app, again["key"]) as after:
        assert (await before.get(ME)).status_code == (await after.get(ME)).status_code == 200
        await change_row(database, made["id"], previous_until=utc_now())
        assert_error(await before.get(ME), 401, "INVALID_API_KEY")
        assert (await after.get(ME)).status_code == 200
    assert (await user.get(f"{KEYS}/{made['id']}")).json()["previous_until"] is None


async def test_a_rotation_without_overlap_ends_what_was_before_at_once(app: Api, user: AsyncClient) -> None:
    made = await make_key(user)
    path = f"{KEYS}/{made['id']}/rotate"
    second = (await user.post(path, json={"overlap_hours": 1})).json()["key"]
    assert_error(await user.post(path), 409, "ROTATION_OVERLAPS")
    third = (await user.post(path, json={"overlap_hours": 0})).json()["key"]
    for key, status in ((made["key"], 401), (second, 401), (third, 200)):
        async with api_key_client(app, key) as http:
            assert (await http.get(ME)).status_code == status


async def test_of_rotations_at_once_one_wins_and_the_key_in_use_never_fails(app: Api, user: AsyncClient) -> None:
    made = await make_key(user)
    async with api_key_client(app, made["key"]) as http:
        rotations = [user.post(f"{KEYS}/{made['id']}/rotate") for _ in range(5)]
        uses = [http.get(ME) for _ in range(20)]
        responses = await asyncio.gather(*rotations, *uses)
    assert sorted(response.status_code for response in responses[:5]) == [200, 409, 409, 409, 409]
    assert {response.status_code for response in responses[5:]} == {200}
    won = next(response for response in responses if "key" in response.json())
    async with api_key_client(app, won.json()["key"]) as http:
        assert (await http.get(ME)).status_code == 200


async def test_rotating_while_it_is_deleted_leaves_no_key_that_works(app: Api, user: AsyncClient) -> None:
    made = await make_key(user)
    path = f"{KEYS}/{made['id']}"
    rotated, deleted = await asyncio.gather(user.post(f"{path}/rotate"), user.delete(path))
    assert deleted.status_code == 204
    assert rotated.status_code in (200, 404)
    for key in {made["key"], rotated.json().get("key", made["key"])}:
        async with api_key_client(app, key) as http:
            assert_error(await http.get(ME), 401, "INVALID_API_KEY")


async def test_an_expired_key_stays_expired_by_rotation(app: Api, user: AsyncClient, database: Database) -> None:
    made = await make_key(user)
    await change_row(database, made["id"], expires_at=utc_now())
    again = (await user.post(f"{KEYS}/{made['id']}/rotate")).json()
    for key in (made["key"], again["key"]):
        async with api_key_client(app, key) as http:
            assert_error(await http.get(ME), 401, "API_KEY_EXPIRED")


@pytest.mark.parametrize("hours", [-1, 721, "NaN", 1e308])
async def test_an_overlap_out_of_bounds_is_refused(user: AsyncClient, hours: object) -> None:
    made = await make_key(user)
    assert (await user.post(f"{KEYS}/{made['id']}/rotate", json={"overlap_hours": hours})).status_code == 422


def _moment(text: str):
    from datetime import datetime

    return datetime.fromisoformat(text)
