"""The ASGI application of a route: FastAPI's handler without the layers that the middleware stack replaces."""

import inspect
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, cast, get_type_hints

from fastapi.routing import APIRoute
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.http.body import JsonRequest
from undercroft.core.http.idempotency import HEADER, IdempotencyMode, get_idempotency_mode, is_secret
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.middleware.body_limit import BodyLimit


def build_app(route: Route) -> ASGIApp:
    """The ASGI application that handles a route."""
    if not isinstance(route, APIRoute):
        return route.app
    app = _plain_app(route) if _is_plain(route) else _handler_app(route)
    if get_idempotency_mode(route) is not IdempotencyMode.IGNORED:
        app = _with_idempotency(route, app)
    return app if route.max_body_size is None else BodyLimit(app, route.max_body_size)


def _with_idempotency(route: APIRoute, plain: ASGIApp) -> ASGIApp:
    """Requests with `Idempotency-Key` use another application, which is built on the first such request."""
    idempotent: ASGIApp | None = None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal idempotent
        if HEADER not in scope["state"]["request_headers"] or not _supports_idempotency(scope):
            await plain(scope, receive, send)
            return
        if idempotent is None:
            idempotent = _idempotent_app(route)
        await idempotent(scope, receive, send)

    return app


def _supports_idempotency(scope: Scope) -> bool:
    return scope["method"] == "POST" and hasattr(scope["app"].state, "idempotency_keys")


def _idempotent_app(route: APIRoute) -> ASGIApp:
    """Like `_handler_app`, but store the response before the transaction commits: see `core.http.idempotency`."""
    from undercroft.core.http.idempotency.attempt import IdempotencyAttempt, Replay, add_claim_dependency

    handle, secret = add_claim_dependency(route).get_route_handler(), is_secret(route)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = JsonRequest(scope, receive, send)
        attempt = scope["state"]["idempotency"] = IdempotencyAttempt(
            scope["app"].state.idempotency_keys, request, secret=secret
        )
        async with AsyncExitStack() as request_stack:
            scope["fastapi_middleware_astack"] = scope["fastapi_inner_astack"] = request_stack
            async with attempt:
                async with AsyncExitStack() as function_stack:
                    scope["fastapi_function_astack"] = function_stack
                    try:
                        await request.body()
                        response = await handle(request)
                        await attempt.on_response(response)
                    except Replay as replay:
                        response = replay.response
                    except Exception as error:
                        await attempt.on_error(error)
                        raise
                attempt.on_commit()
            await response(scope, receive, send)

    return app


def _handler_app(route: APIRoute) -> ASGIApp:
    """Like FastAPI's `request_response`, with strict JSON and without its exception middleware.

    Function-scoped dependencies end before the response is sent, all others after it.
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


def _plain_app(route: APIRoute) -> ASGIApp:
    """For an endpoint without parameters that returns a `Response`: no dependencies to solve, nothing to serialize."""
    endpoint = cast(Callable[[], Awaitable[Response]], route.endpoint)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = await endpoint()
        await response(scope, receive, send)

    return app


def _is_plain(route: APIRoute) -> bool:
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
