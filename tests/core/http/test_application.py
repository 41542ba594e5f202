"""What the application shares with every FastAPI application: middleware, instrumentation, state, URLs."""

import types
from collections.abc import Callable
from typing import Any

import pytest
from fastapi import Request, WebSocket
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.context import current_context
from undercroft.core.errors import CodeError
from undercroft.core.http import Exempt, Router
from undercroft.core.http.application import Api
from undercroft.testing import connect_websocket

router = Router(surface="public", prefix="/boxes")
PATH = "/api/v1/public/boxes"


@router.get("/broken")
async def open_broken() -> None:
    raise RuntimeError("broken")


@router.get("/{name}")
async def read_box(name: str, request: Request) -> dict[str, str]:
    return {"url": str(request.url_for("read_box", name=name)), "app": type(request.app).__name__}


class Recorder:
    """Middleware that records the paths of requests, and their exceptions."""

    def __init__(self, app: ASGIApp, seen: list[str]) -> None:
        self.app = app
        self.seen = seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.seen.append(f"{scope['type']} {scope['path']}")
        try:
            await self.app(scope, receive, send)
        except Exception as error:
            self.seen.append(repr(error))
            raise


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router)


async def test_middleware_sees_requests_and_only_unexpected_exceptions(
    asgi_client: AsgiClient, read_logs: Callable[[], str]
) -> None:
    seen: list[str] = []
    asgi_client.app.add_middleware(Recorder, seen=seen)
    assert (await asgi_client.get(f"{PATH}/nothing/here")).code == "NOT_FOUND"
    assert (await asgi_client.get(f"{PATH}/broken")).code == "INTERNAL_ERROR"
    assert seen == [f"http {PATH}/nothing/here", f"http {PATH}/broken", "RuntimeError('broken')"]
    assert read_logs().count("unhandled error") == 1


async def test_middleware_sees_websockets(asgi_client: AsgiClient) -> None:
    seen: list[str] = []
    asgi_client.app.add_middleware(Recorder, seen=seen)
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"api.example.com")], "root_path": ""}
    await asgi_client.app(scope, lambda: None, send)  # type: ignore[arg-type]
    assert seen[0] == "websocket /ws"
    assert sent[-1]["type"] == "websocket.close"


def test_function_as_middleware_is_refused(asgi_client: AsgiClient) -> None:
    with pytest.raises(CodeError, match="Write it as pure ASGI middleware"):

        @asgi_client.app.middleware("http")  # undercroft: allow middleware because it is refused
        async def measure(request: Request, call_next: Any) -> Any:
            return await call_next(request)


def test_frontend_is_refused(asgi_client: AsgiClient) -> None:
    with pytest.raises(CodeError, match="Mount StaticFiles instead"):
        asgi_client.app.frontend("/", directory=".")


async def test_instrumentation_of_the_application_wraps_its_requests(asgi_client: AsgiClient) -> None:
    """OpenTelemetry replaces `build_middleware_stack` of one application."""
    app, seen = asgi_client.app, list[str]()
    build_stack = app.build_middleware_stack
    app.build_middleware_stack = types.MethodType(lambda _app: Recorder(build_stack(), seen), app)  # type: ignore[method-assign]
    assert (await asgi_client.get(f"{PATH}/red")).status == 200
    assert seen == [f"http {PATH}/red"]


async def test_instrumentation_of_all_applications_wraps_its_requests(
    asgi_client: AsgiClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sentry replaces `Starlette.__call__`."""
    seen, call = list[str](), Starlette.__call__

    async def patched(self: Starlette, scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(f"{scope['path']} {current_context() is self.context}")  # type: ignore[attr-defined]
        await call(self, scope, receive, send)

    monkeypatch.setattr(Starlette, "__call__", patched)
    assert (await asgi_client.get(f"{PATH}/red")).status == 200
    assert seen == [f"{PATH}/red True"]


async def test_state_of_the_application_does_not_change_its_limits(asgi_client: AsgiClient) -> None:
    asgi_client.app.state.limiter = object()
    assert (await asgi_client.get(f"{PATH}/red")).headers["x-ratelimit-limit"] == "6000"


async def test_urls_of_routes_are_built(asgi_client: AsgiClient) -> None:
    response = await asgi_client.get(f"{PATH}/red")
    assert response.json == {"url": f"https://api.example.com{PATH}/red", "app": Api.__name__}


async def test_lifespan_of_an_included_router_has_the_context_of_the_application(build: Build) -> None:
    contexts: list[Any] = []

    def lifespan(_app: Any) -> Any:
        contexts.append(current_context())
        yield

    app = build().app
    app.include_router(Router(surface="root", lifespan=lifespan))  # type: ignore[arg-type]
    messages, sent = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}], list[Any]()

    async def receive() -> Any:
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message["type"])

    await app({"type": "lifespan", "state": {}}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert contexts == [app.context]


async def test_responses_of_handlers_pass_through_middleware(asgi_client: AsgiClient) -> None:
    seen: list[str] = []
    asgi_client.app.add_middleware(Recorder, seen=seen)
    asgi_client.app.add_exception_handler(404, lambda _request, _error: PlainTextResponse("own", 404))
    assert (await asgi_client.get("/nowhere")).body == b"own"
    assert seen == ["http /nowhere"]


async def greet(request: Request) -> Response:
    return PlainTextResponse(f"{request.url.path} {request.path_params}")


async def stream(websocket: WebSocket, name: str) -> None:
    await websocket.accept()
    await websocket.send_text(name)


async def count_lids() -> int:
    return 2


def make_router() -> Router:
    made = Router(surface="public", prefix="/lids", audit=Exempt("It only reads."))
    made.add_route("/plain/{name}", greet)
    made.websocket("/{name}/live")(stream)
    made.get("")(count_lids)
    made.get("/{name}")(read_box)
    return made


async def test_mounted_routes_follow_the_prefix_of_their_surface(build: Build) -> None:
    made, mounted = make_router(), build(router)
    mounted.app.add([made], mount="/ext/hotel")
    unmounted = build(made)
    for client, path, other in (
        (mounted, "/api/v1/public/ext/hotel/lids", "/api/v1/public/lids"),
        (unmounted, "/api/v1/public/lids", "/api/v1/public/ext/hotel/lids"),
    ):
        assert (await client.get(path)).json == 2
        assert (await client.get(f"{path}/red")).status == 200
        assert (await client.get(f"{path}/plain/red")).body.decode() == f"{path}/plain/red {{'name': 'red'}}"
        assert (await connect_websocket(client.app, f"{path}/red/live", headers={})).text == "red"
        for missing in (other, f"{other}/red", f"{other}/plain/red", f"/ext/hotel{path}/red"):
            assert (await client.get(missing)).status == 404
        assert (await connect_websocket(client.app, f"{other}/red/live", headers={})).status_code == 404
    assert (await mounted.get(f"{PATH}/red")).status == 200
