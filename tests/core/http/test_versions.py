import json
from datetime import date
from email.utils import parsedate_to_datetime
from typing import Any

import pytest
from fastapi import Request, WebSocket
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.app.route_checks import check_paths
from undercroft.core.errors import CodeError, Conflict
from undercroft.core.http import Deprecation, Router
from undercroft.core.http.settings import HttpSettings
from undercroft.core.modules import SecuritySchemes
from undercroft.testing import connect_websocket

SUPERSEDED = Deprecation(since=date(2026, 12, 1), sunset=date(2027, 12, 1), documentation="https://docs.example/v2")
PUBLIC = "/api/v1/public/rooms"

rooms = Router(surface="public", prefix="/rooms", tag="Rooms")
rooms_v2 = Router(surface="public", prefix="/rooms", tag="Rooms", version=2, supersedes=SUPERSEDED)


class RoomFull(Conflict):
    code = "ROOM_FULL"
    message = "The room is full."


@rooms.get("/{room_id}")
async def read_room(room_id: str) -> dict[str, str]:
    return {"id": room_id}


@rooms.get("/newest")
async def read_newest() -> str:
    return "newest"


@rooms.post("/{room_id}", status_code=201)
async def fill_room(room_id: str, request: Request) -> dict[str, str]:
    if room_id == "full":
        raise RoomFull
    return {"filled": room_id, "path": request.url.path}


@rooms.websocket("/{room_id}/live")
async def watch_room(websocket: WebSocket, room_id: str) -> None:
    await websocket.accept()
    await websocket.send_text(json.dumps({"watched": room_id}))
    await websocket.close()


@rooms_v2.get("/{key}")
async def read_room_2(key: str) -> dict[str, Any]:
    if key == "full":
        raise RoomFull
    return {"room": {"id": key}}


@rooms_v2.get("/{key}/seats")
async def list_seats(key: str) -> list[str]:
    return [key]


@pytest.fixture
def versioned(build: Build) -> AsgiClient:
    return build(rooms, rooms_v2)


async def test_changed_route_is_beside_the_old_one(versioned: AsgiClient) -> None:
    old, new = await versioned.get(f"{PUBLIC}/7"), await versioned.get("/api/v2/public/rooms/7")
    assert (old.json, old.headers["x-api-version"]) == ({"id": "7"}, "1")
    assert (new.json, new.headers["x-api-version"]) == ({"room": {"id": "7"}}, "2")
    assert new.all("x-api-version") == ["2"]


async def test_superseded_route_states_its_deprecation(versioned: AsgiClient) -> None:
    old = await versioned.get(f"{PUBLIC}/7 a")
    assert old.headers["deprecation"] == f"@{int(parsedate_to_datetime('Tue, 01 Dec 2026 00:00:00 GMT').timestamp())}"
    assert old.headers["sunset"] == "Wed, 01 Dec 2027 00:00:00 GMT"
    assert old.headers["link"] == (
        '<https://docs.example/v2>; rel="deprecation"; type="text/html", '
        '</api/v2/public/rooms/7%20a>; rel="successor-version"'
    )
    missing = await versioned.get("/api/v2/public/nothing")
    assert (missing.status, missing.code, missing.headers["x-api-version"]) == (404, "NOT_FOUND", "2")
    for path in ("/api/v2/public/rooms/7", f"{PUBLIC}/newest", "/api/v2/public/rooms/newest"):
        assert not {"deprecation", "sunset", "link"} & set((await versioned.get(path)).headers), path


async def test_unchanged_routes_and_methods_are_served_in_both_versions(versioned: AsgiClient) -> None:
    for version in (1, 2):
        prefix = f"/api/v{version}/public/rooms"
        assert (await versioned.get(f"{prefix}/newest")).json == "newest"
        posted = await versioned.post(f"{prefix}/7")
        assert (posted.status, posted.json) == (201, {"filled": "7", "path": f"{prefix}/7"})
        refused = await versioned("PUT", f"{prefix}/7")
        assert (refused.status, refused.headers["allow"]) == (405, "GET, HEAD, OPTIONS, POST")
        assert refused.headers["x-api-version"] == str(version)
        assert (await versioned("HEAD", f"{prefix}/7")).status == 200


async def test_new_route_of_a_version_does_not_exist_before(versioned: AsgiClient) -> None:
    assert (await versioned.get("/api/v2/public/rooms/7/seats")).json == ["7"]
    assert (await versioned.get(f"{PUBLIC}/7/seats")).status == 404


async def test_errors_state_the_version_and_the_deprecation(versioned: AsgiClient) -> None:
    failed = await versioned.get("/api/v2/public/rooms/full")
    assert (failed.status, failed.code, failed.headers["x-api-version"]) == (409, "ROOM_FULL", "2")


async def test_refused_requests_state_the_deprecation_too(build: Build) -> None:
    client = build(rooms, rooms_v2, settings=(HttpSettings(rate_limit_public="1/minute", rate_limit_scale=1),))
    assert (await client.get(f"{PUBLIC}/7")).status == 200
    refused = await client.get(f"{PUBLIC}/7")
    assert refused.status == 429
    assert {"deprecation", "sunset", "link", "x-api-version"} <= set(refused.headers)
    assert (await client.get("/api/v2/public/rooms/7")).status == 429  # both versions share the limit of the surface


@pytest.mark.parametrize("header", ["X-API-Version", "Accept-Version"])
@pytest.mark.parametrize("prefix", ["/api/v1", "/api/v2", "/api"])
@pytest.mark.parametrize(("value", "version"), [("2", 2), ("v2", 2), ("1", 1), ("02", 2)])
async def test_header_chooses_the_version(
    versioned: AsgiClient, header: str, prefix: str, value: str, version: int
) -> None:
    response = await versioned.get(f"{prefix}/public/rooms/7", headers=[(header, value)])
    assert response.json == ({"room": {"id": "7"}} if version == 2 else {"id": "7"})
    assert response.headers["x-api-version"] == str(version)
    assert response.headers["vary"] == "Accept-Version, X-API-Version"


@pytest.mark.parametrize("value", ["3", "0", "-1", "latest", "", "2.0", "99999999999999", "²", "v", "2\x00"])
async def test_unknown_version_is_refused_with_the_known_ones(versioned: AsgiClient, value: str) -> None:
    refused = await versioned.get(f"{PUBLIC}/7", headers=[("X-API-Version", value)])
    assert (refused.status, refused.code) == (404, "API_VERSION_NOT_FOUND")
    assert refused.json["error"]["details"] == {"versions": [1, 2]}


async def test_unknown_version_in_the_path_is_refused(versioned: AsgiClient, build: Build) -> None:
    for path, versions in (("/api/v3/public/rooms/7", [1, 2]), ("/api/v0/public/rooms", [1, 2])):
        refused = await versioned.get(path)
        assert (refused.status, refused.code) == (404, "API_VERSION_NOT_FOUND")
        assert refused.json["error"]["details"] == {"versions": versions}
    only_one = build(rooms)
    refused = await only_one.get("/api/v2/public/rooms/7")
    assert refused.json["error"]["details"] == {"versions": [1]}
    served = await only_one.get(f"{PUBLIC}/7")
    assert (served.headers["x-api-version"], "vary" in served.headers) == ("1", False)


async def test_header_has_no_effect_outside_the_api(versioned: AsgiClient) -> None:
    assert (await versioned.get("/docs", headers=[("X-API-Version", "7")])).status == 200
    assert "x-api-version" not in (await versioned.get("/docs")).headers


async def test_path_without_a_version_needs_the_header(versioned: AsgiClient) -> None:
    missing = await versioned.get("/api/public/rooms/7")
    assert (missing.status, missing.code) == (404, "NOT_FOUND")


async def test_header_is_honored_by_websockets_and_body_limits(versioned: AsgiClient, build: Build) -> None:
    for path, headers in (("/api/v2/public/rooms/7/live", {}), ("/api/public/rooms/7/live", {"x-api-version": "2"})):
        watched = await connect_websocket(versioned.app, path, headers=headers)
        assert (watched.status_code, watched.json()) == (101, {"watched": "7"}), watched.text
    refused = await connect_websocket(versioned.app, f"{PUBLIC}/7/live", headers={"x-api-version": "9"})
    assert refused.status_code == 404


async def test_each_version_has_its_own_document(versioned: AsgiClient) -> None:
    first, again, second = [
        (await versioned.get(path)).json for path in ("/openapi.json", "/openapi/v1.json", "/openapi/v2.json")
    ]
    assert first == again
    assert set(first["paths"]) == {f"{PUBLIC}/newest", f"{PUBLIC}/{{room_id}}"}
    v2 = "/api/v2/public/rooms"
    assert set(second["paths"]) == {f"{v2}/newest", f"{v2}/{{room_id}}", f"{v2}/{{key}}", f"{v2}/{{key}}/seats"}
    assert (set(second["paths"][f"{v2}/{{room_id}}"]), set(second["paths"][f"{v2}/{{key}}"])) == ({"post"}, {"get"})
    assert first["paths"][f"{PUBLIC}/{{room_id}}"]["get"]["deprecated"] is True
    assert "deprecated" not in first["paths"][f"{PUBLIC}/{{room_id}}"]["post"]
    assert "Use `/api/v2/public/rooms/{room_id}`" in first["paths"][f"{PUBLIC}/{{room_id}}"]["get"]["description"]
    for document in (first, second):
        assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(document)] == []
    unknown = await versioned.get("/openapi/v3.json")
    assert (unknown.status, unknown.code) == (404, "API_VERSION_NOT_FOUND")
    page = (await versioned.get("/docs")).body.decode()
    assert "/openapi/v2.json" in page


async def test_documents_of_all_versions_have_the_same_ways_to_authenticate(versioned: AsgiClient) -> None:
    flow = {"password": {"tokenUrl": f"https://api.example.com{PUBLIC}/newest", "scopes": {}}}
    schemes = {"password": {"type": "oauth2", "flows": flow}}
    versioned.app.context.add(SecuritySchemes, SecuritySchemes(schemes))
    for version in (1, 2):
        assert versioned.app.openapi(version)["components"]["securitySchemes"] == schemes


async def test_page_of_one_version_has_no_choice(build: Build) -> None:
    page = (await build(rooms).get("/docs")).body.decode()
    assert "/openapi.json" in page
    assert "sources" not in page


async def test_three_versions(build: Build) -> None:
    rooms_v3 = Router(surface="public", prefix="/rooms", version=3, supersedes=Deprecation(since=date(2028, 1, 1)))
    rooms_v3.get("/{room_id}")(fill_room)
    client = build(rooms, rooms_v2, rooms_v3)
    responses = {version: await client.get(f"/api/v{version}/public/rooms/7") for version in (1, 2, 3)}
    assert responses[3].json == {"filled": "7", "path": "/api/v3/public/rooms/7"}
    assert '</api/v2/public/rooms/7>; rel="successor-version"' in responses[1].headers["link"]
    assert '</api/v3/public/rooms/7>; rel="successor-version"' in responses[2].headers["link"]
    assert ("deprecation" in responses[3].headers, "sunset" in responses[2].headers) == (False, False)
    assert (await client.get("/api/v3/public/rooms/7/seats")).json == ["7"]
    assert (await client.get("/api/v3/public/rooms/newest")).json == "newest"


async def test_deprecated_route_without_a_successor(build: Build) -> None:
    router = Router(surface="public", prefix="/rooms")
    router.get("", deprecation=Deprecation(since=date(2026, 12, 1)))(read_newest)
    response = await build(router).get(PUBLIC)
    assert response.headers["link"] == '</docs>; rel="deprecation"; type="text/html"'
    assert response.headers["deprecation"] == "@1796083200"


def test_declarations_without_effect_are_refused() -> None:
    with pytest.raises(CodeError, match="supersedes has no effect without a version"):
        Router(surface="public", supersedes=SUPERSEDED).get("/rooms")(read_newest)
    for surface, version in (("root", 2), ("public", 0)):
        with pytest.raises(CodeError, match="cannot have the version"):
            Router(surface=surface, version=version)
    with pytest.raises(ValueError, match="cannot be before the deprecation"):
        Deprecation(since=date(2027, 1, 1), sunset=date(2026, 1, 1))
    with pytest.raises(CodeError, match="belongs to the version 2 and cannot be included in one of 1"):
        Router(surface="public").include_router(rooms_v2)


def test_extension_cannot_take_a_path_of_the_application_in_another_version() -> None:
    with pytest.raises(CodeError, match="is a path of Undercroft itself"):
        check_paths(rooms.routes, rooms_v2.routes)
