"""Rooms and devices: the usual life of an entity, and what they add to it."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID, uuid4

import pytest
from extensions.example.resources import DeviceResource
from extensions.example.tasks import check_all_devices
from extensions.example.testing import tomorrow
from httpx2 import AsyncClient

from undercroft.core.db import Database, tenant
from undercroft.core.http import Surface
from undercroft.jobs import enqueue
from undercroft.testing import CapturedJobs

APP = f"{Surface.APP.prefix}/ext/example"
DEVICES = f"{APP}/devices"


async def create_room(client: AsyncClient, name: str = "Library") -> dict[str, Any]:
    response = await client.post(f"{APP}/rooms", json={"name": name, "seats": 8})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def create_device(client: AsyncClient, room: dict[str, Any], name: str = "Projector") -> dict[str, Any]:
    response = await client.post(DEVICES, json={"name": name, "room_id": room["id"]})
    assert response.status_code == 201, response.text
    assert response.headers["Location"] == f"{DEVICES}/{response.json()['id']}"
    return dict(response.json())


async def get_status(client: AsyncClient, device: dict[str, Any]) -> str:
    return str((await client.get(f"{DEVICES}/{device['id']}")).json()["status"])


def error_of(response: Any) -> tuple[int, str, Any]:
    error = response.json()["error"]
    return response.status_code, error["code"], error["details"]


async def test_new_device_is_checked_by_a_job_of_the_same_transaction(user: AsyncClient, jobs: CapturedJobs) -> None:
    room = await create_room(user)
    device = await create_device(user, room)
    assert device["status"] == "unchecked"
    assert [(job.task, job.args["device_id"]) for job in jobs.captured] == [("example.check_devices", device["id"])]
    await jobs.run_all()
    assert await get_status(user, device) == "working"


async def test_column_that_clients_cannot_set_is_refused(user: AsyncClient) -> None:
    room = await create_room(user)
    device = await create_device(user, room)
    for field, value in (("status", "working"), ("team_id", room["id"]), ("version", 9), ("id", str(uuid4()))):
        body = {"name": "Screen", "room_id": room["id"], field: value}
        assert error_of(await user.post(DEVICES, json=body))[:2] == (422, "VALIDATION_ERROR"), field
        changed = await user.patch(f"{DEVICES}/{device['id']}", json={field: value})
        assert error_of(changed)[:2] == (422, "VALIDATION_ERROR"), field


async def test_reference_to_another_teams_room_is_like_one_to_no_room(
    user: AsyncClient, stranger: AsyncClient, jobs: CapturedJobs
) -> None:
    own, foreign = await create_room(user), await create_room(stranger)
    device = await create_device(user, own)
    await jobs.run_all()
    for room_id in (foreign["id"], str(uuid4())):
        created = await user.post(DEVICES, json={"name": "Screen", "room_id": room_id})
        assert error_of(created) == (422, "REFERENCE_NOT_FOUND", {"field": "room_id"})
        moved = await user.patch(f"{DEVICES}/{device['id']}", json={"name": "Moved", "room_id": room_id})
        assert error_of(moved) == (422, "REFERENCE_NOT_FOUND", {"field": "room_id"})
    listed = (await user.get(DEVICES)).json()["items"]
    assert [(each["name"], each["room_id"]) for each in listed] == [("Projector", own["id"])]


async def test_list_returns_only_devices_with_the_filtered_values(user: AsyncClient, jobs: CapturedJobs) -> None:
    library, garden = await create_room(user), await create_room(user, "Garden")
    await create_device(user, library, "Projector")
    await create_device(user, garden, "Speaker")
    await jobs.run_all()
    await create_device(user, garden, "Camera")

    async def names(**filters: str) -> list[str]:
        response = await user.get(DEVICES, params={"sort": "name", **filters})
        assert response.json()["total"] == len(response.json()["items"])
        return [each["name"] for each in response.json()["items"]]

    assert await names() == ["Camera", "Projector", "Speaker"]
    assert await names(room_id=garden["id"]) == ["Camera", "Speaker"]
    assert await names(room_id=garden["id"], status="working") == ["Speaker"]
    assert await names(q="e", status="unchecked") == ["Camera"]
    assert error_of(await user.get(DEVICES, params={"status": "burning"}))[:2] == (422, "VALIDATION_ERROR")


@pytest.mark.parametrize("params", [{}, {"q": "p"}, {"sort": "-name"}, {"room_id": "own"}])
async def test_page_and_cursor_return_the_same_devices(user: AsyncClient, params: dict[str, str]) -> None:
    room = await create_room(user)
    devices = [await create_device(user, room, f"p{number}") for number in range(5)]
    filters = {name: room["id"] if value == "own" else value for name, value in params.items()}
    pages: Sequence[Any] = [
        (await user.get(DEVICES, params={**filters, "page": page, "size": 2})).json() for page in (1, 2, 3, 4)
    ]
    assert [(each["total"], each["pages"], each["next_cursor"]) for each in pages] == [(5, 3, None)] * 4
    assert {each["id"] for page in pages for each in page["items"]} == {each["id"] for each in devices}

    seen, cursor = list[str](), None
    while True:
        more: dict[str, str] = {"cursor": cursor} if cursor else {}
        found = (await user.get(DEVICES, params={**filters, "limit": 2, **more})).json()
        seen += [each["id"] for each in found["items"]]
        cursor = found["next_cursor"]
        if cursor is None:
            break
    assert seen == [each["id"] for each in reversed(devices)]


async def test_step_before_an_update_may_amend_it(user: AsyncClient, jobs: CapturedJobs) -> None:
    library, garden = await create_room(user), await create_room(user, "Garden")
    device = await create_device(user, library)
    await jobs.run_all()
    path = f"{DEVICES}/{device['id']}"
    renamed = await user.patch(path, json={"name": "Beamer"})
    assert (renamed.json()["status"], renamed.json()["version"]) == ("working", 3)
    moved = await user.patch(path, json={"room_id": garden["id"]}, headers={"If-Match": renamed.headers["ETag"]})
    assert (moved.json()["status"], moved.json()["version"]) == ("unchecked", 4)
    outdated = await user.patch(path, json={"name": "Old"}, headers={"If-Match": renamed.headers["ETag"]})
    assert error_of(outdated) == (412, "PRECONDITION_FAILED", {"version": 4})


async def test_error_before_a_deletion_retains_the_row(user: AsyncClient) -> None:
    room, other = await create_room(user), await create_room(user, "Garden")
    times = {"starts_at": tomorrow(9).isoformat(), "ends_at": tomorrow(10).isoformat()}
    assert (await user.post(f"{APP}/bookings", json={"room_id": room["id"], **times})).status_code == 201
    assert error_of(await user.delete(f"{APP}/rooms/{room['id']}"))[:2] == (409, "ROOM_IN_USE")
    assert (await user.delete(f"{APP}/rooms/{other['id']}")).status_code == 204
    assert [each["name"] for each in (await user.get(f"{APP}/rooms")).json()["items"]] == ["Library"]


async def test_row_without_a_version_matches_no_entity_tag(user: AsyncClient) -> None:
    room = await create_room(user)
    path = f"{APP}/rooms/{room['id']}"
    assert "ETag" not in (await user.get(path)).headers
    refused = await user.patch(path, json={"seats": 9}, headers={"If-Match": '"1"'})
    assert error_of(refused)[:2] == (412, "PRECONDITION_FAILED")
    changed = await user.patch(path, json={"seats": 9}, headers={"If-Match": "*"})
    assert (changed.status_code, changed.json()["seats"]) == (200, 9)


async def test_rows_that_cannot_be_restored_have_no_route_for_it(user: AsyncClient) -> None:
    room = await create_room(user)
    device = await create_device(user, room)
    assert (await user.delete(f"{DEVICES}/{device['id']}")).status_code == 204
    assert (await user.get(f"{DEVICES}/{device['id']}")).status_code == 404
    assert (await user.post(f"{DEVICES}/{device['id']}/restore")).json()["name"] == "Projector"
    assert (await user.post(f"{APP}/rooms/{room['id']}/restore")).status_code == 404


async def test_nightly_task_checks_the_devices_of_every_team(
    user: AsyncClient, stranger: AsyncClient, database: Database, jobs: CapturedJobs
) -> None:
    devices = [(client, await create_device(client, await create_room(client))) for client in (user, stranger)]
    async with database.session() as session:
        await enqueue(session, check_all_devices)
    await jobs.run_all()
    assert [await get_status(client, device) for client, device in devices] == ["working", "working"]


async def test_resource_outside_a_request_acts_in_the_given_team(user: AsyncClient, database: Database) -> None:
    room = await create_room(user)
    team_id = UUID(room["team_id"])
    with tenant(team_id):
        async with database.session() as session:
            devices = DeviceResource.for_team(session, team_id)
            await devices.create(DeviceResource.create_schema(name="Screen", room_id=room["id"]))
    assert [each["name"] for each in (await user.get(DEVICES)).json()["items"]] == ["Screen"]
