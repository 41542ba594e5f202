"""WebSocket routes: guards, limits, errors and dependencies."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest
from fastapi import Depends, HTTPException, WebSocket, WebSocketException
from fastapi.requests import HTTPConnection

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from tests.core.http.principals import sign_in
from undercroft.core.auth import PlatformRole
from undercroft.core.errors import NotFound
from undercroft.core.http import CurrentPrincipal, Exempt, Router, depends_on, get_info
from undercroft.core.http.guards import current_principal
from undercroft.core.http.settings import HttpSettings
from undercroft.testing import connect_websocket

PATH = "/api/v1/app/boxes"
READS = Exempt("It only reads.")


class BoxNotFound(NotFound):
    code = "BOX_NOT_FOUND"


async def color() -> str:
    return "red"


router = Router(surface="app", prefix="/boxes", permission="boxes:read", audit=READS)


@router.websocket("/{box_id}/live")
async def live(
    websocket: WebSocket, box_id: UUID, principal: CurrentPrincipal, color: Annotated[str, Depends(color)]
) -> None:
    await websocket.accept()
    await websocket.send_text(f"{box_id} {color} {sorted(principal.permissions)}")


@router.websocket("/errors/{name}")
async def fail(websocket: WebSocket, name: str, accept: bool = True) -> None:
    if accept:
        await websocket.accept()
    raise {
        "missing": BoxNotFound(),
        "http": HTTPException(409, "locked"),
        "own": WebSocketException(4000, "own reason"),
        "broken": RuntimeError("a secret"),
    }[name]


@router.websocket("/ended/{name}")
async def fail_after_the_end(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    if name == "closed":
        await websocket.close(4001)
        raise RuntimeError("after the end")
    await websocket.receive_text()


BOX = "0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10"


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    client = build(router)
    sign_in(client.app, permissions={"boxes:read"})
    return client


async def exchange(client: AsgiClient, path: str, query: bytes = b"", **scope: Any) -> list[Any]:
    """All messages that a server without the extension for responses to handshakes would get."""
    inbox, sent = [{"type": "websocket.connect"}], list[Any]()

    async def receive() -> Any:
        return inbox.pop() if inbox else {"type": "websocket.disconnect", "code": 1000}

    async def send(message: Any) -> None:
        sent.append(message)

    headers = [(b"host", b"api.example.com")]
    base = {"type": "websocket", "path": path, "query_string": query, "headers": headers, "scheme": "wss"}
    await client.app({**base, "root_path": "", "client": ("192.0.2.10", 4711), **scope}, receive, send)
    return sent


async def test_permitted_caller_is_connected(asgi_client: AsgiClient) -> None:
    response = await connect_websocket(asgi_client.app, f"{PATH}/{BOX}/live", headers={"X-Request-ID": "my-request-1"})
    assert (response.status_code, response.text) == (101, f"{BOX} red ['boxes:read']")
    assert response.headers["x-request-id"] == "my-request-1"


@pytest.mark.parametrize(
    ("role", "permissions", "status", "code"),
    [
        (None, (), 401, "UNAUTHORIZED"),
        (PlatformRole.USER, (), 403, "PERMISSION_DENIED"),
        (PlatformRole.SUPERADMIN, (), 403, "PERMISSION_DENIED"),
    ],
)
async def test_other_callers_are_refused_before_the_endpoint(
    asgi_client: AsgiClient, role: Any, permissions: Any, status: int, code: str
) -> None:
    sign_in(asgi_client.app, role=role, permissions=permissions)
    response = await connect_websocket(asgi_client.app, f"{PATH}/{BOX}/live", headers={})
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)
    [closed] = await exchange(asgi_client, f"{PATH}/{BOX}/live")
    assert closed == {"type": "websocket.close", "code": 1008, "reason": code}


async def test_admin_surface_requires_the_role(build: Build) -> None:
    admin = Router(surface="admin", audit=READS)
    admin.websocket("/live")(live_for_all)
    client = build(admin)
    sign_in(client.app)
    assert (await connect_websocket(client.app, "/api/v1/admin/live", headers={})).status_code == 403


async def live_for_all(websocket: WebSocket) -> None:
    await websocket.accept()


async def test_handshakes_are_limited(build: Build) -> None:
    client = build(router, settings=(HttpSettings(rate_limit_app="2/minute", rate_limit_scale=1),))
    sign_in(client.app, permissions={"boxes:read"})
    statuses = [(await connect_websocket(client.app, f"{PATH}/{BOX}/live", headers={})).status_code for _ in range(3)]
    assert statuses == [101, 101, 429]


async def test_invalid_parameter_is_a_validation_error(asgi_client: AsgiClient) -> None:
    response = await connect_websocket(asgi_client.app, f"{PATH}/x/live", headers={})
    assert (response.status_code, response.json()["error"]["code"]) == (422, "VALIDATION_ERROR")


async def test_unknown_path_is_not_found(asgi_client: AsgiClient) -> None:
    assert (await connect_websocket(asgi_client.app, "/nowhere", headers={})).status_code == 404
    assert (await connect_websocket(asgi_client.app, f"{PATH}/{BOX}", headers={})).status_code == 404


@pytest.mark.parametrize(
    ("name", "code", "reason"),
    [("missing", 1008, "BOX_NOT_FOUND"), ("http", 1008, "HTTP_409"), ("own", 4000, "own reason"),
     ("broken", 1011, "INTERNAL_ERROR")],
)  # fmt: skip
@pytest.mark.parametrize("accept", [True, False])
async def test_error_closes_the_connection_with_a_code_and_is_logged(
    asgi_client: AsgiClient, read_logs: Callable[[], str], name: str, code: int, reason: str, accept: bool
) -> None:
    sent = await exchange(asgi_client, f"{PATH}/errors/{name}", b"accept=%d" % accept)
    assert [message["type"] for message in sent] == ["websocket.accept"] * accept + ["websocket.close"]
    assert (sent[-1]["code"], sent[-1]["reason"]) == (code, reason)
    assert ("unhandled error" if name == "broken" else "websocket.refused") in read_logs()


async def test_error_after_the_close_is_logged_and_sends_nothing(
    asgi_client: AsgiClient, read_logs: Callable[[], str]
) -> None:
    sent = await exchange(asgi_client, f"{PATH}/ended/closed")
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.close"]
    assert sent[-1]["code"] == 4001
    assert "after the end" in read_logs()


async def test_client_that_disconnects_is_no_error(asgi_client: AsgiClient, read_logs: Callable[[], str]) -> None:
    sent = await exchange(asgi_client, f"{PATH}/ended/by-the-client")
    assert [message["type"] for message in sent] == ["websocket.accept"]
    assert "error" not in read_logs()


async def test_exception_handler_handles_websockets(asgi_client: AsgiClient) -> None:
    @asgi_client.app.exception_handler(BoxNotFound)
    async def handle(websocket: WebSocket, _error: BoxNotFound) -> None:
        await websocket.close(4404)

    sent = await exchange(asgi_client, f"{PATH}/errors/missing")
    assert sent[-1]["code"] == 4404


async def test_dependencies_are_overridden_for_one_application(build: Build) -> None:
    changed, unchanged = build(router), build(router)
    changed.app.dependency_overrides[color] = lambda: "blue"
    for client, expected in ((changed, "blue"), (unchanged, "red")):
        sign_in(client.app, permissions={"boxes:read"})
        response = await connect_websocket(client.app, f"{PATH}/{BOX}/live", headers={})
        assert expected in response.text


async def test_dependency_reads_the_connection(build: Build) -> None:
    async def read_header(connection: HTTPConnection) -> str:
        return connection.headers["x-color"]

    own = Router(surface="public", audit=READS)

    @own.websocket("/own")
    async def endpoint(websocket: WebSocket, sent: Annotated[str, Depends(read_header)]) -> None:
        await websocket.accept()
        await websocket.send_text(sent)

    assert (await connect_websocket(build(own).app, "/api/v1/public/own", headers={"X-Color": "red"})).text == "red"


def test_route_has_the_declaration_and_the_guard() -> None:
    route = router.routes[0]
    info = get_info(route)
    assert (info.permission, info.changes_data, info.impersonation) == ("boxes:read", True, False)
    assert depends_on(route, current_principal)  # type: ignore[arg-type]
