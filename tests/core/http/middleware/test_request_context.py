from uuid import UUID

import pytest
import structlog

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router

PATH = "/api/v1/public/shelf/who"


@pytest.mark.parametrize("request_id", ["abcdefgh", "A.b_c-123456", "x" * 128, "01a1fe80-e0ca-7372-98dd-d81da276c03f"])
async def test_valid_request_id_of_the_client_is_used(build: Build, request_id: str) -> None:
    response = await build(router).get(PATH, headers=[("X-Request-ID", request_id)])

    assert response.headers["x-request-id"] == request_id
    assert response.json["request_id"] == request_id


@pytest.mark.parametrize(
    "request_id",
    ["", "short", "x" * 129, "with space here", 'quote"quote', "line\nline-line", "ünicode-id", "<script>alert"],
)
async def test_invalid_request_id_is_replaced_by_a_uuid7(build: Build, request_id: str) -> None:
    response = await build(router).get(PATH, headers=[("X-Request-ID", request_id)])

    assert UUID(response.headers["x-request-id"]).version == 7


async def test_error_outside_of_routes_has_a_request_id(build: Build) -> None:
    response = await build(router)("OPTIONS", "/nowhere", headers=[("X-Request-ID", "abcdefgh")])

    assert response.all("x-request-id") == ["abcdefgh"]


async def test_log_context_is_cleared_after_the_request(build: Build) -> None:
    await build(router).get(PATH)

    assert "request_id" not in structlog.contextvars.get_contextvars()


async def test_state_is_not_shared_between_requests(build: Build) -> None:
    asgi_client = build(router)
    first, second = await asgi_client.get(PATH), await asgi_client.get(PATH)

    assert first.json["request_id"] != second.json["request_id"]
