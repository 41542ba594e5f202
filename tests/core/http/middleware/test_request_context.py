from typing import Any
from uuid import UUID

import pytest
import structlog
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.db import Session
from undercroft.core.db.reauthorization import bind_reauthorization, current_reauthorization
from undercroft.core.db.tenancy import ALL_TENANTS, current_tenant, set_current_tenant
from undercroft.core.http import Router
from undercroft.core.http.middleware.request_context import RequestContext

PATH = "/api/v1/public/shelf/who"


@pytest.mark.parametrize("request_id", ["abcdefgh", "A.b_c-123456", "x" * 128, "01a1fe80-e0ca-7372-98dd-d81da276c03f"])
async def test_valid_request_id_of_the_client_is_used(build: Build, request_id: str) -> None:
    response = await build(router).get(PATH, headers=[("X-Request-ID", request_id)])

    assert response.headers["x-request-id"] == request_id
    assert response.json["request_id"] == request_id


@pytest.mark.parametrize(
    "request_id",
    [
        "",
        "short",
        "seven77",
        "x" * 129,
        "with space here",
        'quote"quote',
        "line\nline-line",
        "ünicode-id",
        "<script>alert",
    ],
)
async def test_invalid_request_id_is_replaced_by_a_uuid7(build: Build, request_id: str) -> None:
    response = await build(router).get(PATH, headers=[("X-Request-ID", request_id)])

    assert UUID(response.headers["x-request-id"]).version == 7


async def test_error_outside_of_routes_has_a_request_id(build: Build) -> None:
    response = await build(router)("OPTIONS", "/nowhere", headers=[("X-Request-ID", "abcdefgh")])

    assert response.all("x-request-id") == ["abcdefgh"]


async def test_log_context_is_cleared_after_the_request(build: Build) -> None:
    own = Router(surface="public")
    principal = ("user_id", "team_id", "api_key_id", "impersonator_id")

    @own.get("/own")
    async def respond() -> Response:
        structlog.contextvars.bind_contextvars(**dict.fromkeys(principal, 1))
        return PlainTextResponse(str(sorted(structlog.contextvars.get_contextvars())))

    with structlog.contextvars.bound_contextvars(outer="kept"):
        response = await build(own).get("/api/v1/public/own")

        assert response.body.decode() == str(sorted(["outer", "request_id", *principal]))
        assert structlog.contextvars.get_contextvars() == {"outer": "kept"}


async def test_request_has_neither_tenant_nor_reauthorization_of_the_previous_one(build: Build) -> None:
    own = Router(surface="public")

    @own.get("/own")
    async def respond() -> Response:
        seen = current_tenant()
        set_current_tenant(ALL_TENANTS)
        bind_reauthorization(Never())
        return PlainTextResponse(str(seen))

    client = build(own)
    try:
        bodies = [(await client.get("/api/v1/public/own")).body for _ in range(2)]
        assert (bodies, current_reauthorization()) == ([b"None"] * 2, None)
    finally:
        set_current_tenant(None)


async def test_state_of_the_lifespan_is_the_state_of_the_request() -> None:
    seen: list[Any] = []

    async def record(scope: Scope, _receive: Receive, _send: Send) -> None:
        seen.append((scope["state"]["pool"], UUID(scope["state"]["request_id"]).version))

    state = {"pool": "shared", "request_id": "of the lifespan"}
    scope = {"type": "http", "method": "GET", "path": "/", "headers": [], "state": state}
    await RequestContext(record, websocket=record)(scope, None, None)  # type: ignore[arg-type]
    assert seen == [("shared", 7)]
    assert state == {"pool": "shared", "request_id": "of the lifespan"}


class Never:
    """A reauthorization that is not used."""

    def is_due(self, *, locked: bool) -> bool:
        raise AssertionError

    async def verify(self, session: Session) -> None:
        raise AssertionError


async def test_state_is_not_shared_between_requests(build: Build) -> None:
    asgi_client = build(router)
    first, second = await asgi_client.get(PATH), await asgi_client.get(PATH)

    assert first.json["request_id"] != second.json["request_id"]
