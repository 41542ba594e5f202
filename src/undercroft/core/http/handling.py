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
from undercroft.core.http.middleware.body_limit import BodyLimit


def app_of(route: Route) -> ASGIApp:
    """The ASGI application that answers for a route."""
    if not isinstance(route, APIRoute):
        return route.app
    app = _bare(route) if _is_bare(route) else _handled(route)
    return app if route.max_body_size is None else BodyLimit(app, route.max_body_size)


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
        type(route) is APIRoute
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
