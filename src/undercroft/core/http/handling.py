"""What runs for a route once it is found: FastAPI's handler, without the layers that our stack replaces."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast, get_type_hints

from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.http.body import JsonRequest
from undercroft.core.http.idempotency import HEADER, Handling, handling_of, is_secret
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.middleware.body_limit import BodyLimit


def app_of(route: Route) -> ASGIApp:
    """The ASGI application that answers for a route."""
    if not isinstance(route, APIRoute):
        return route.app
    app = _bare(route) if _is_bare(route) else _handled(route)
    if handling_of(route) is not Handling.IGNORED:
        app = _with_keys(route, app)
    return app if route.max_body_size is None else BodyLimit(app, route.max_body_size)


def _with_keys(route: APIRoute, plain: ASGIApp) -> ASGIApp:
    """Requests with `Idempotency-Key` go another way, which is made when the first one comes."""
    other: ASGIApp | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal other
        if HEADER not in scope["state"]["request_headers"] or not _keeps_keys(scope):
            await plain(scope, receive, send)
            return
        if other is None:
            other = _keyed(route)
        await other(scope, receive, send)

    return app


def _keeps_keys(scope: Scope) -> bool:
    return scope["method"] == "POST" and hasattr(scope["app"].state, "idempotency_keys")


def _keyed(route: APIRoute) -> ASGIApp:
    """What `_handled` does, with the answer kept before the transaction commits: see `core.http.idempotency`."""
    from undercroft.core.http.attempts import Attempt, Replay, keyed

    handle, secret = keyed(route).get_route_handler(), is_secret(route)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = JsonRequest(scope, receive, send)
        attempt = scope["state"]["idempotency"] = Attempt(scope["app"].state.idempotency_keys, request, secret=secret)
        async with AsyncExitStack() as request_stack:
            scope["fastapi_middleware_astack"] = scope["fastapi_inner_astack"] = request_stack
            async with attempt:
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    try:
                        await request.body()
                        response = await handle(request)
                        await attempt.answered(response)
                    except Replay as replay:
                        response = replay.response
                    except Exception as error:
                        await attempt.failed(error)
                        raise
                attempt.committed()
            await response(scope, receive, send)

    return app


def _handled(route: APIRoute) -> ASGIApp:
    """What FastAPI's `request_response` does, with a strict request and without a second exception layer.

    Function-scoped dependencies end before the answer leaves, all others after it.
    """
    handle = route.get_route_handler()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = JsonRequest(scope, receive, send)
        async with AsyncExitStack() as request_stack:
            scope["fastapi_middleware_astack"] = scope["fastapi_inner_astack"] = request_stack
            async with AsyncExitStack() as function_stack:
                scope["fastapi_function_astack"] = function_stack
                response = await handle(request)
            await response(scope, receive, send)

    return app


def _bare(route: APIRoute) -> ASGIApp:
    """For an endpoint that takes nothing and gives a finished response, there is nothing to solve or to encode."""
    endpoint = cast(Callable[[], Awaitable[Response]], route.endpoint)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint()
        await response(scope, receive, send)

    return app


def _is_bare(route: APIRoute) -> bool:
    return (
        type(route) in (APIRoute, LazyRoute)
        and inspect.iscoroutinefunction(route.endpoint)
        and not route.dependant.dependencies
        and not inspect.signature(route.endpoint).parameters
        and _returns_response(route.endpoint)
    )


def _returns_response(endpoint: Callable[..., Any]) -> bool:
    try:
        returned = get_type_hints(endpoint).get("return")
    except NameError:
        return False
    return isinstance(returned, type) and issubclass(returned, Response)
