"""Rooms and bookings, with the fixtures of `undercroft.testing`."""

from typing import Any

import pytest
from extensions.example.settings import ExampleSettings
from extensions.example.testing import tomorrow
from httpx2 import AsyncClient

from undercroft.core.http import Surface
from undercroft.core.settings import load, use
from undercroft.testing import Attack, CapturedJobs, Mailbox, connect_websocket

APP = f"{Surface.APP.prefix}/ext/example"


@pytest.fixture
async def room(user: AsyncClient) -> dict[str, Any]:
    response = await user.post(f"{APP}/rooms", json={"name": "Library", "seats": 8})
    assert response.status_code == 201, response.text
    return dict(response.json())


async def book(client: AsyncClient, room: dict[str, Any], first: int, last: int) -> Any:
    times = {"starts_at": tomorrow(first).isoformat(), "ends_at": tomorrow(last).isoformat()}
    return await client.post(f"{APP}/bookings", json={"room_id": room["id"], **times})


async def test_room_is_listed(user: AsyncClient, room: dict[str, Any]) -> None:
    listed = (await user.get(f"{APP}/rooms", params={"q": "lib", "sort": "name"})).json()
    assert (listed["total"], listed["items"]) == (1, [room])


async def test_room_cannot_be_booked_twice_at_the_same_time(user: AsyncClient, room: dict[str, Any]) -> None:
    assert (await book(user, room, 9, 11)).status_code == 201
    taken = await book(user, room, 10, 12)
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "ROOM_TAKEN")
    assert (await book(user, room, 11, 12)).status_code == 201


async def test_canceled_booking_frees_the_room(user: AsyncClient, room: dict[str, Any]) -> None:
    booking = (await book(user, room, 9, 11)).json()
    assert (await user.delete(f"{APP}/bookings/{booking['id']}")).status_code == 204
    assert (await user.get(f"{APP}/rooms/{room['id']}/bookings")).json() == []
    assert (await book(user, room, 9, 11)).status_code == 201


async def test_changed_route_is_served_beside_the_deprecated_one(user: AsyncClient, room: dict[str, Any]) -> None:
    booking = (await book(user, room, 9, 11)).json()
    old = await user.get(f"{APP}/rooms/{room['id']}/bookings")
    assert (old.json(), old.headers["x-api-version"]) == ([booking], "1")
    assert (old.headers["deprecation"], old.headers["sunset"]) == ("@1796083200", "Wed, 01 Dec 2027 00:00:00 GMT")
    successor = old.headers["link"].rpartition("<")[2].partition(">")[0]
    new = await user.get(successor)
    assert (new.json(), new.headers["x-api-version"]) == ({"items": [booking], "is_free": True}, "2")
    assert "deprecation" not in new.headers


async def test_unchanged_routes_are_served_in_the_new_version(
    client: AsyncClient, user: AsyncClient, room: dict[str, Any]
) -> None:
    v2 = APP.replace("v1", "v2")
    created = await user.post(f"{v2}/rooms", json={"name": "Garden", "seats": 4}, headers={"Idempotency-Key": "one"})
    assert created.headers["location"] == f"{v2}/rooms/{created.json()['id']}"
    replayed = await user.post(f"{v2}/rooms", json={"name": "Garden", "seats": 4}, headers={"Idempotency-Key": "one"})
    assert (replayed.headers["idempotency-replayed"], replayed.json()) == ("true", created.json())
    assert [each["name"] for each in (await user.get(f"{v2}/rooms?sort=name")).json()["items"]] == ["Garden", "Library"]
    assert (await client.get(f"{v2}/rooms")).status_code == 401
    assert (await client.get(f"{v2}/rooms/{room['id']}/bookings")).status_code == 401


async def test_deprecated_parameter_works_and_is_reported(user: AsyncClient, room: dict[str, Any]) -> None:
    assert (await book(user, room, 9, 11)).status_code == 201
    path = f"{APP}/calendars/{room['id']}"
    new = await user.get(path, params={"reminder_minutes": 15})
    old = await user.get(path, params={"reminder": True})
    assert (new.text, "TRIGGER:-PT15M" in new.text) == (old.text, True)
    assert (old.headers["deprecation"], old.headers["sunset"]) == ("@1796083200", "Wed, 01 Dec 2027 00:00:00 GMT")
    assert "deprecation" not in new.headers


async def test_calendar_of_a_plain_router_is_guarded(
    client: AsyncClient, user: AsyncClient, room: dict[str, Any]
) -> None:
    await book(user, room, 9, 11)
    path = f"{APP}/calendars/{room['id']}"
    calendar = await user.get(path)
    assert (calendar.status_code, calendar.text.count("BEGIN:VEVENT")) == (200, 1)
    assert calendar.headers["x-ratelimit-limit"]
    assert "deprecation" not in calendar.headers
    assert (await client.get(path)).status_code == 401
    assert (await user.put(path)).headers["allow"] == "GET, HEAD, OPTIONS"


async def test_room_is_watched_by_websocket(app: Any, user: AsyncClient, room: dict[str, Any]) -> None:
    await book(user, room, 9, 11)
    path = f"{APP}/rooms/{room['id']}/live"
    watched = await connect_websocket(app, path, headers={"Authorization": user.headers["authorization"]})
    assert watched.status_code == 101, watched.text
    assert [booking["room_id"] for booking in watched.json()] == [room["id"]]
    assert (await connect_websocket(app, path, headers={})).status_code == 401


async def test_mounted_signs_are_guarded(client: AsyncClient, user: AsyncClient) -> None:
    assert (await user.get(f"{APP}/rooms/signs/Library")).text == "Room Library"
    assert (await client.get(f"{APP}/rooms/signs/Library")).status_code == 401


async def test_team_with_upcoming_bookings_cannot_be_deleted(user: AsyncClient) -> None:
    team = (await user.post(f"{Surface.APP.prefix}/teams", json={"name": "Acme"})).json()["id"]
    header, path = {"X-Team-Id": team}, f"{Surface.APP.prefix}/teams/{team}"
    room = (await user.post(f"{APP}/rooms", json={"name": "Library", "seats": 8}, headers=header)).json()
    times = {"starts_at": tomorrow(9).isoformat(), "ends_at": tomorrow(11).isoformat()}
    booking = await user.post(f"{APP}/bookings", json={"room_id": room["id"], **times}, headers=header)
    assert booking.status_code == 201, booking.text
    refused = await user.delete(path)
    assert (refused.status_code, refused.json()["error"]["code"]) == (409, "TEAM_HAS_BOOKINGS")
    assert (await user.get(path)).status_code == 200
    await user.delete(f"{APP}/bookings/{booking.json()['id']}", headers=header)
    assert (await user.delete(path)).status_code == 204
    assert (await user.get(path)).status_code in (403, 404)


@pytest.mark.parametrize(("first", "last"), [(7, 9), (19, 21), (11, 10)])
async def test_booking_outside_the_opening_hours_is_refused(
    user: AsyncClient, room: dict[str, Any], first: int, last: int
) -> None:
    refused = await book(user, room, first, last)
    assert (refused.status_code, refused.json()["error"]["code"]) == (422, "OUTSIDE_OPENING_HOURS")


async def test_booking_is_confirmed_by_email(
    user: AsyncClient, room: dict[str, Any], jobs: CapturedJobs, mailbox: Mailbox
) -> None:
    await book(user, room, 9, 11)
    assert [job.task for job in jobs.captured] == ["example.confirm_booking"]
    (email,) = await mailbox.list_new()
    assert email.subject == "Library is booked"


@pytest.mark.parametrize(("email", "status"), [("ada@acme.example", 202), ("ada@example.com", 403)])
async def test_only_addresses_of_the_company_sign_up(client: AsyncClient, email: str, status: int) -> None:
    use(load(ExampleSettings).model_copy(update={"company_domain": "acme.example"}))
    form = {"email": email, "password": "three otters in a boat", "full_name": "Ada"}
    response = await client.post(f"{Surface.AUTH.prefix}/register", json=form)
    assert response.status_code == status, response.text
    assert status == 202 or response.json()["error"]["code"] == "COMPANY_ADDRESS_REQUIRED"


async def test_middleware_reports_the_duration_also_of_errors(client: AsyncClient) -> None:
    for path in (f"{Surface.PUBLIC.prefix}/ext/example/opening-hours", f"{APP}/rooms"):
        assert (await client.get(path)).headers["server-timing"].startswith("app;dur=")
    assert "server-timing" not in (await client.get("/api/v1/public/health")).headers


async def test_opening_hours_are_public(client: AsyncClient) -> None:
    public = await client.get(f"{Surface.PUBLIC.prefix}/ext/example/opening-hours")
    assert public.json() == {"opens": 8, "closes": 20}
    page = await client.get("/ext/example/opening-hours")
    assert "Rooms are open from 8:00 to 20:00 UTC." in page.text
    style = page.text.partition('href="/assets/rooms.')[2].partition('"')[0]
    assert (await client.get(f"/assets/rooms.{style}")).status_code == 200


async def test_administrators_see_counts(admin: AsyncClient, user: AsyncClient, room: dict[str, Any]) -> None:
    await book(user, room, 9, 11)
    statistics = (await admin.get(f"{Surface.ADMIN.prefix}/statistics")).json()
    assert statistics["example"] == {"bookings": 1, "upcoming": 1}
    assert (await admin.get(f"{Surface.ADMIN.prefix}/ext/example/rooms/count")).json() == {"rooms": 1}


async def test_teams_are_isolated(attack: Attack) -> None:
    await attack(lambda operation: "/ext/example/" in operation.path)
