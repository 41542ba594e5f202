"""Exception handlers and middleware of modules."""

from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware  # undercroft: allow middleware because it is refused
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import build, configure  # noqa: F401 - fixtures
from undercroft.app.http_hooks import add_exception_handlers, add_middleware
from undercroft.core.errors import AppError, CodeError, NotFound
from undercroft.core.http import Router

router = Router(surface="public", prefix="/boxes")


class BoxJammed(Exception):
    """A box that does not open."""


@router.get("/jammed")
async def open_jammed() -> None:
    raise BoxJammed


async def handle(_request: Any, error: Exception) -> PlainTextResponse:
    return PlainTextResponse(type(error).__name__, 423)


def module_with(file: str = "errors", **names: Any) -> Any:
    part = ModuleType(f"hotel.{file}")
    vars(part).update(names)
    return SimpleNamespace(load_submodule=lambda name: part if name == file else None)


@pytest.fixture
def asgi_client(build: Any) -> AsgiClient:  # noqa: F811
    client: AsgiClient = build(router)
    return client


async def test_handler_of_a_module_handles_its_exception(asgi_client: AsgiClient) -> None:
    add_exception_handlers(asgi_client.app, module_with(EXCEPTION_HANDLERS={BoxJammed: handle}))
    add_exception_handlers(asgi_client.app, module_with())
    response = await asgi_client.get("/api/v1/public/boxes/jammed")
    assert (response.status, response.body) == (423, b"BoxJammed")


@pytest.mark.parametrize(
    "kind", [404, Exception, ValueError, AppError, NotFound, HTTPException, RequestValidationError], ids=str
)
def test_handler_of_shared_exceptions_is_refused(asgi_client: AsgiClient, kind: Any) -> None:
    with pytest.raises(CodeError, match="which other modules raise too"):
        add_exception_handlers(asgi_client.app, module_with(EXCEPTION_HANDLERS={kind: handle}))


def test_second_handler_of_an_exception_is_refused(asgi_client: AsgiClient) -> None:
    add_exception_handlers(asgi_client.app, module_with(EXCEPTION_HANDLERS={BoxJammed: handle}))
    with pytest.raises(CodeError, match="Two modules declare a handler of BoxJammed"):
        add_exception_handlers(asgi_client.app, module_with(EXCEPTION_HANDLERS={BoxJammed: handle}))


class Tag:
    """Adds a word to the response header X-Tags."""

    def __init__(self, app: ASGIApp, word: str = "default") -> None:
        self.app = app
        self.word = word

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_tagged(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["x-tags"] = " ".join([self.word, *headers.get("x-tags", "").split()])
            await send(message)

        await self.app(scope, receive, send_tagged)


async def test_middleware_of_modules_wraps_the_routes_in_their_order(asgi_client: AsgiClient) -> None:
    first = module_with("middleware", MIDDLEWARE=[Middleware(Tag, word="a"), Tag])
    for module in (first, module_with("middleware", MIDDLEWARE=[Middleware(Tag, word="b")]), module_with()):
        add_middleware(asgi_client.app, module)
    response = await asgi_client.get("/api/v1/public/boxes/nowhere")
    assert (response.status, response.headers["x-tags"]) == (404, "a default b")


class Subclass(BaseHTTPMiddleware):
    """Middleware that runs the application in another task."""


def test_middleware_that_is_not_pure_asgi_is_refused(asgi_client: AsgiClient) -> None:
    with pytest.raises(CodeError, match="Subclass runs the application in another task"):
        add_middleware(asgi_client.app, module_with("middleware", MIDDLEWARE=[Subclass]))
