"""Endpoints that pass a request on to another ASGI application: a mounted one, or a Starlette endpoint.

So they are routes like all others: found by the table, guarded, limited, and seen by every check and test.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from fastapi import WebSocket
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.http.route_info import Exempt

E = TypeVar("E", bound=Callable[..., Any])

MOUNT_METHODS = ("DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT")
MOUNT_SUFFIX = "/{path:path}"
NOT_STORED = Exempt("The application behind this route handles retries itself.")


class _Forward(Response):
    """Lets another application respond."""

    def __init__(self, app: ASGIApp, child_scope: Callable[[Scope], Scope]) -> None:
        super().__init__()
        self._app = app
        self._child_scope = child_scope

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._app(self._child_scope(scope), receive, send)


def forward(app: ASGIApp, name: str, *, is_mount: bool) -> Callable[[], Awaitable[Response]]:
    """An endpoint whose responses come from `app`. A mounted application gets the rest of the path."""
    child_scope = mounted_scope if is_mount else dict

    async def endpoint() -> Response:
        return _Forward(app, child_scope)

    return _named(endpoint, app, name)


def forward_websocket(app: ASGIApp, name: str, *, is_mount: bool) -> Callable[[WebSocket], Awaitable[None]]:
    """A WebSocket endpoint that passes the connection on to `app`."""
    child_scope = mounted_scope if is_mount else dict

    async def endpoint(websocket: WebSocket) -> None:
        await app(child_scope(websocket.scope), websocket.receive, websocket.send)

    return _named(endpoint, app, name)


def mounted_scope(scope: Scope) -> Scope:
    """The scope of a mounted application: the part of the path before `path` is its root path."""
    parameters = dict(scope["path_params"])
    root = scope["path"].removesuffix(parameters.pop("path")).rstrip("/")
    app_root = scope.get("app_root_path", scope.get("root_path", ""))
    return {**scope, "root_path": root, "app_root_path": app_root, "path_params": parameters}


def _named(endpoint: E, app: Any, name: str) -> E:
    """Give the endpoint the name of its application, by which errors and rate limits of its own refer to it."""
    endpoint.__name__ = name
    endpoint.__qualname__ = getattr(app, "__qualname__", name)
    endpoint.__module__ = getattr(app, "__module__", __name__)
    return endpoint
