"""The look-up finds what FastAPI's own search finds, only sooner."""

from collections.abc import AsyncIterator

import httpx
import pytest
from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import PlainTextResponse
from starlette.routing import Mount, Route

from undercroft.core.http.dispatch import DirectRoute, RouteIndex

PATHS = (
    "/health",
    "/users/me",
    "/users/7",
    "/users/7/restore",
    "/users/7/restore/",
    "/users/7/nothing",
    "/teams/new",
    "/teams/7",
    "/teams/7/members/8",
    "/teams/7/members/me",
    "/files/a/b/c",
    "/static/x",
    "/static/fixed",
    "/plain",
    "/health/",
    "/nowhere",
    "/",
)
METHODS = ("GET", "POST", "PATCH", "DELETE", "HEAD", "OPTIONS")


def _named(name: str) -> object:
    async def answer() -> Response:
        return PlainTextResponse(name)

    return answer


def _application() -> FastAPI:
    app = FastAPI(openapi_url=None)
    router = APIRouter(route_class=DirectRoute)
    for method, path in (
        ("GET", "/health"),
        ("GET", "/users/me"),
        ("PATCH", "/users/me"),
        ("GET", "/users/{user_id}"),
        ("DELETE", "/users/{user_id}"),
        ("POST", "/users/{user_id}/restore"),
        ("GET", "/teams/{team_id}"),
        ("GET", "/teams/new"),
        ("GET", "/teams/{team_id}/members/{user_id}"),
        ("DELETE", "/teams/{team_id}/members/me"),
        ("GET", "/files/{path:path}"),
    ):
        router.add_api_route(path, _named(f"{method} {path}"), methods=[method])
    app.router.routes.extend(router.routes)
    app.router.routes.append(Mount("/static", app=PlainTextResponse("mounted")))
    app.router.add_api_route("/static/fixed", _named("behind the mount"), methods=["GET"])
    app.router.routes.append(Route("/plain", _named_plain))
    return app


async def _named_plain(_request: object) -> Response:
    return PlainTextResponse("plain")


@pytest.fixture
async def both() -> AsyncIterator[tuple[httpx.AsyncClient, httpx.AsyncClient]]:
    searched, indexed = _application(), _application()
    indexed.router.middleware_stack = RouteIndex(indexed.router)
    async with _client(searched) as one, _client(indexed) as other:
        yield one, other


def _client(app: FastAPI) -> httpx.AsyncClient:
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("method", METHODS)
async def test_every_path_and_method_is_answered_as_without_it(
    both: tuple[httpx.AsyncClient, httpx.AsyncClient], method: str, path: str
) -> None:
    expected, seen = [await client.request(method, path) for client in both]

    assert (seen.status_code, seen.text, seen.headers) == (expected.status_code, expected.text, expected.headers)


async def test_a_route_that_was_added_later_is_found() -> None:
    app = _application()
    app.router.middleware_stack = RouteIndex(app.router)
    async with _client(app) as client:
        assert (await client.get("/later")).status_code == 404

        app.add_api_route("/later", _named("later"))

        assert (await client.get("/later")).status_code == 200


async def test_an_error_raised_without_ceremony_reaches_the_applications_handler() -> None:
    class Trouble(Exception):
        pass

    async def fail() -> Response:
        raise Trouble

    app = FastAPI()
    app.router.routes.append(DirectRoute("/fails", fail))
    app.add_exception_handler(Trouble, lambda _request, _error: PlainTextResponse("handled", 418))
    async with _client(app) as client:
        assert (await client.get("/fails")).status_code == 418
