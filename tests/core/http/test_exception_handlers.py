"""Exception handlers of the application, and what happens to exceptions without one."""

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Annotated, Any

import pytest
from fastapi import Depends, Header, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.errors import AppError, NotFound, Unauthorized
from undercroft.core.http import Router

PATH = "/api/v1/public/boxes"
JSON = ("content-type", "application/json")
router = Router(surface="public", prefix="/boxes")


class BoxJammed(Exception):
    """A box that does not open."""


class LidJammed(BoxJammed):
    """A box with a jammed lid."""


async def swallow() -> AsyncIterator[None]:
    with suppress(BoxJammed):
        yield


@router.get("/jammed")
async def open_jammed() -> None:
    raise LidJammed("lid")


@router.get("/swallowed")
async def open_swallowed(_: Annotated[None, Depends(swallow)]) -> None:
    raise BoxJammed


@router.get("/status/{status}")
async def open_with_status(status: int, detail: Annotated[str | None, Header()] = None) -> None:
    raise HTTPException(status, {"hint": detail} if detail else None)


@router.get("/list")
async def open_with_list() -> None:
    raise HTTPException(409, ["first", "second"])


@router.get("/app-error/{name}")
async def open_with_app_error(name: str) -> None:
    raise {"missing": NotFound, "anonymous": Unauthorized}[name]


@router.get("/broken")
async def open_broken() -> None:
    raise RuntimeError("broken")


@router.get("/group/{name}")
async def open_with_group(name: str) -> None:
    raise {
        "one": ExceptionGroup("one", [NotFound()]),
        "nested": ExceptionGroup("outer", [ExceptionGroup("inner", [NotFound()])]),
        "two": ExceptionGroup("two", [NotFound(), NotFound()]),
    }[name]


@router.post("")
async def create(size: int, body: dict[str, int]) -> dict[str, int]:
    return body


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router)


async def test_handler_of_a_class_handles_its_subclasses(asgi_client: AsgiClient) -> None:
    @asgi_client.app.exception_handler(BoxJammed)
    async def handle(request: Request, error: BoxJammed) -> PlainTextResponse:
        return PlainTextResponse(f"{request.url.path}: {error}", 423)

    response = await asgi_client.get(f"{PATH}/jammed")
    assert (response.status, response.body) == (423, b"/api/v1/public/boxes/jammed: lid")
    assert response.headers["x-request-id"]


async def test_handler_may_be_a_function_without_async(asgi_client: AsgiClient) -> None:
    asgi_client.app.add_exception_handler(BoxJammed, lambda _request, _error: PlainTextResponse("sync", 423))
    assert (await asgi_client.get(f"{PATH}/jammed")).body == b"sync"


async def test_handler_of_a_status_handles_unknown_paths_and_methods(asgi_client: AsgiClient) -> None:
    async def handle(_request: Request, error: HTTPException) -> PlainTextResponse:
        return PlainTextResponse("own", error.status_code, error.headers)

    asgi_client.app.add_exception_handler(404, handle)
    asgi_client.app.add_exception_handler(405, handle)
    assert (await asgi_client.get("/nowhere")).body == b"own"
    refused = await asgi_client("DELETE", PATH)
    assert (refused.status, refused.body, refused.headers["allow"]) == (405, b"own", "OPTIONS, POST")
    assert (await asgi_client.get(f"{PATH}/status/409")).code == "HTTP_409"


async def test_handler_of_invalid_requests_may_read_the_body(asgi_client: AsgiClient) -> None:
    @asgi_client.app.exception_handler(RequestValidationError)
    async def handle(request: Request, error: RequestValidationError) -> JSONResponse:
        return JSONResponse({"sent": (await request.body()).decode(), "count": len(error.errors())}, 400)

    response = await asgi_client.post(PATH, headers=[JSON], body=b'{"a": "x"}', query=b"size=large")
    assert (response.status, response.json) == (400, {"sent": '{"a": "x"}', "count": 2})


async def test_handler_of_all_application_errors_gets_no_failed_authentication(asgi_client: AsgiClient) -> None:
    @asgi_client.app.exception_handler(AppError)
    async def handle(_request: Request, error: AppError) -> PlainTextResponse:
        return PlainTextResponse(error.code, error.status)

    assert (await asgi_client.get(f"{PATH}/app-error/missing")).body == b"NOT_FOUND"
    assert (await asgi_client.get(f"{PATH}/app-error/anonymous")).code == "UNAUTHORIZED"


@pytest.mark.parametrize("key", [500, Exception])
async def test_handler_of_unexpected_errors_responds_after_they_are_logged(
    asgi_client: AsgiClient, read_logs: Callable[[], str], key: Any
) -> None:
    @asgi_client.app.exception_handler(key)
    async def handle(_request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"sorry: {error}", 500)

    assert (await asgi_client.get(f"{PATH}/broken")).body == b"sorry: broken"
    assert "unhandled error" in read_logs()
    assert (await asgi_client.get(f"{PATH}/app-error/missing")).code == "NOT_FOUND"


async def test_handler_of_unexpected_errors_without_async_runs_in_a_thread(asgi_client: AsgiClient) -> None:
    @asgi_client.app.exception_handler(Exception)
    def handle(_request: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(f"{error} {threading.current_thread() is threading.main_thread()}", 500)

    assert (await asgi_client.get(f"{PATH}/broken")).body == b"broken False"


@pytest.mark.parametrize(
    ("name", "status", "code"),
    [("one", 404, "NOT_FOUND"), ("nested", 404, "NOT_FOUND"), ("two", 500, "INTERNAL_ERROR")],
)
async def test_group_of_one_exception_is_that_exception(
    asgi_client: AsgiClient, read_logs: Callable[[], str], name: str, status: int, code: str
) -> None:
    response = await asgi_client.get(f"{PATH}/group/{name}")
    assert (response.status, response.code) == (status, code)
    assert ("unhandled error" in read_logs()) is (status == 500)


async def test_dependency_that_swallows_an_exception_is_an_unexpected_error(
    asgi_client: AsgiClient, read_logs: Callable[[], str]
) -> None:
    assert (await asgi_client.get(f"{PATH}/swallowed")).code == "INTERNAL_ERROR"
    assert "is not raising the exception again" in read_logs()


@pytest.mark.parametrize("status", [400, 404, 405, 409, 418, 503])
async def test_detail_of_an_http_exception_is_in_the_response(asgi_client: AsgiClient, status: int) -> None:
    response = await asgi_client.get(f"{PATH}/status/{status}", headers=[("detail", "look left")])
    assert (response.status, response.json["error"]["details"]) == (status, {"hint": "look left"})
    plain = await asgi_client.get(f"{PATH}/status/{status}")
    assert (plain.json["error"]["details"], bool(plain.json["error"]["message"])) == (None, True)


async def test_detail_that_is_a_list_is_in_the_response(asgi_client: AsgiClient) -> None:
    response = await asgi_client.get(f"{PATH}/list")
    assert response.json["error"]["details"] == {"detail": ["first", "second"]}


@pytest.mark.parametrize("status", [204, 304])
async def test_exception_with_a_status_without_body_has_none(asgi_client: AsgiClient, status: int) -> None:
    response = await asgi_client.get(f"{PATH}/status/{status}")
    assert (response.status, response.body) == (status, b"")
    assert "content-type" not in response.headers
