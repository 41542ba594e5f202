"""Mounted applications and Starlette endpoints on routers: guarded and limited like all other routes."""

from typing import Any

import pytest
from fastapi import APIRouter, FastAPI, WebSocket
from starlette.endpoints import HTTPEndpoint
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.staticfiles import StaticFiles

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from tests.core.http.principals import sign_in
from undercroft.core.http import Exempt, Router, get_info
from undercroft.testing import connect_websocket

READS = Exempt("It only reads.")
sub = FastAPI()


@sub.api_route("/rooms/{name}", methods=["GET", "POST", "PUT"])
async def show_room(name: str, request: Request) -> dict[str, Any]:
    return {
        "name": name,
        "root": request.scope["root_path"],
        "path": request.url.path,
        "sent": len(await request.body()),
    }


@sub.websocket("/live")
async def live(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text(websocket.scope["root_path"])


@sub.get("/broken")
async def broken() -> None:
    raise RuntimeError("broken")


async def greet(request: Request) -> Response:
    return PlainTextResponse(f"hello {request.path_params['name']}")


class Greeting(HTTPEndpoint):
    async def get(self, request: Request) -> Response:
        return PlainTextResponse(f"class {request.path_params['name']}")


async def talk(websocket: WebSocket) -> None:
    await websocket.accept()
    await websocket.send_text("talk")


def make_router(surface: str = "app", **options: Any) -> Router:
    router = Router(surface=surface, prefix="/boxes", audit=READS, **options)
    router.mount("/sub/{box_id}", sub)
    router.add_route("/greet/{name}", greet, methods=["GET"])
    router.add_route("/class/{name}", Greeting)
    router.add_websocket_route("/talk", talk)
    return router


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    client = build(make_router(permission="boxes:read"))
    sign_in(client.app, permissions={"boxes:read"})
    return client


PATH = "/api/v1/app/boxes"


async def test_mounted_application_gets_the_rest_of_the_path(asgi_client: AsgiClient) -> None:
    response = await asgi_client.post(f"{PATH}/sub/7/rooms/red", body=b"12345")
    expected = {"name": "red", "root": f"{PATH}/sub/7", "path": f"{PATH}/sub/7/rooms/red", "sent": 5}
    assert (response.status, response.json) == (200, expected)
    assert (await asgi_client.get(f"{PATH}/sub/7/nowhere")).status == 404
    assert (await asgi_client.get(f"{PATH}/sub/7")).headers["location"] == f"{PATH}/sub/7/"
    assert (await asgi_client("HEAD", f"{PATH}/sub/7/rooms/red")).body == b""


@pytest.mark.parametrize("path", ["sub/7/rooms/red", "sub/7/nowhere", "greet/you", "class/you"])
async def test_every_kind_of_route_is_guarded_and_limited(build: Build, path: str) -> None:
    client = build(make_router(permission="boxes:write"))
    sign_in(client.app, permissions={"boxes:read"})
    response = await client.get(f"{PATH}/{path}")
    assert (response.status, response.code) == (403, "PERMISSION_DENIED")
    assert response.headers["x-ratelimit-limit"]
    sign_in(client.app, permissions={"boxes:write"})
    assert (await client.get(f"{PATH}/{path}")).status == (404 if "nowhere" in path else 200)


@pytest.mark.parametrize("path", ["sub/7/live", "talk"])
async def test_websockets_of_other_applications_are_guarded(build: Build, path: str) -> None:
    client = build(make_router(permission="boxes:write"))
    sign_in(client.app, permissions={"boxes:read"})
    refused = await connect_websocket(client.app, f"{PATH}/{path}", headers={})
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "PERMISSION_DENIED")
    sign_in(client.app, permissions={"boxes:write"})
    accepted = await connect_websocket(client.app, f"{PATH}/{path}", headers={})
    assert (accepted.status_code, accepted.text) == (101, "talk" if path == "talk" else f"{PATH}/sub/7")


async def test_starlette_endpoints_respond(asgi_client: AsgiClient) -> None:
    assert (await asgi_client.get(f"{PATH}/greet/you")).body == b"hello you"
    assert (await asgi_client("PUT", f"{PATH}/greet/you")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await asgi_client.get(f"{PATH}/class/you")).body == b"class you"
    assert (await asgi_client.post(f"{PATH}/class/you")).status == 405


async def test_error_of_a_mounted_application_is_logged(asgi_client: AsgiClient, read_logs: Any) -> None:
    with pytest.raises(RuntimeError):  # its own handler responded
        await asgi_client.get(f"{PATH}/sub/7/broken")
    assert "unhandled error" in read_logs()


async def test_plain_router_with_other_routes_is_included(build: Build) -> None:
    plain = APIRouter(prefix="/plain")
    plain.mount("/sub", sub)
    plain.add_route("/plain/greet/{name}", greet)
    plain.add_websocket_route("/plain/talk", talk)
    plain.websocket("/own")(talk)
    router = Router(surface="app", permission="boxes:read", audit=READS)
    router.include_router(plain, prefix="/in")
    assert {get_info(route).permission for route in router.routes} == {"boxes:read"}
    client = build(router)
    base = "/api/v1/app/in/plain"
    assert (await client.get("/api/v1/app/in/sub/rooms/red")).status == 500  # there is no authenticator
    sign_in(client.app, permissions={"boxes:read"})
    assert (await client.get(f"{base}/greet/you")).body == b"hello you"
    assert (await client.get("/api/v1/app/in/sub/rooms/red")).json["root"] == "/api/v1/app/in/sub"
    for path in (f"{base}/talk", f"{base}/own"):
        assert (await connect_websocket(client.app, path, headers={})).text == "talk"


async def test_mounted_files_are_read_only(build: Build, tmp_path: Any) -> None:
    (tmp_path / "a.txt").write_text("text")
    router = Router(surface="public")
    router.mount("/files", StaticFiles(directory=tmp_path))
    client = build(router)
    assert (await client.get("/api/v1/public/files/a.txt")).body == b"text"
    assert (await client.post("/api/v1/public/files/a.txt")).headers["allow"] == "GET, HEAD, OPTIONS"
    assert (await client.get("/api/v1/public/files/../../etc/passwd")).status == 404


async def test_mount_at_the_root_serves_no_path_of_the_api(build: Build) -> None:
    client = build()

    @client.app.get("/{path:path}")
    async def page(path: str) -> str:
        return path

    client.app.mount("/", PlainTextResponse("mounted"))
    assert (await client.get("/anything/else")).json == "anything/else"
    assert (await client.post("/anything")).status == 405
    assert (await client.get("/api/v1/app/secrets")).status == 404
    assert (await client.get("/api/anything")).status == 404


async def test_mount_of_the_application_is_limited(build: Build) -> None:
    client = build()
    client.app.mount("/mounted", PlainTextResponse("mounted"))
    assert (await client.get("/mounted/x")).headers["x-ratelimit-limit"] == "6000"
