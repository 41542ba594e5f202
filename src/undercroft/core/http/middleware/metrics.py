"""Count and time requests by route template."""

import time
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestMetrics:
    """Records `http_requests_total`, `http_request_duration_seconds` and `http_requests_in_progress`.

    Labels are only route templates and known methods, so that clients cannot create new time series.
    """

    def __init__(self, app: ASGIApp) -> None:
        from undercroft.core.telemetry.metrics import REQUESTS_IN_PROGRESS

        self.app = app
        self._in_progress = REQUESTS_IN_PROGRESS
        self._children: dict[tuple[str, str | None, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        self._in_progress.inc()
        try:
            await self.app(scope, receive, send)
        finally:
            self._in_progress.dec()
            state = scope["state"]
            key = (scope["method"], state["route_template"], state.get("status", 499))
            count, observe = self._children.get(key) or self._add(key)
            count()
            observe(time.perf_counter() - started)

    def _add(self, key: tuple[str, str | None, int]) -> tuple[Any, Any]:
        from undercroft.core.telemetry import metrics

        method, route, status = key
        method = method if method in METHODS else "OTHER"
        route = route or "unmatched"
        children = (
            metrics.REQUESTS.labels(method, route, str(status)).inc,
            metrics.REQUEST_SECONDS.labels(method, route).observe,
        )
        if key[0] == method:
            self._children[key] = children
        return children
