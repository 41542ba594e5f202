"""Log one line per request, warn of slow requests, and count and time requests by route template."""

import time
from datetime import UTC, datetime
from typing import Any

import structlog
from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.settings import load
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.redaction import clean_text
from undercroft.core.telemetry.settings import TelemetrySettings

slow_log = structlog.get_logger("undercroft.performance")

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


class RequestLog:
    """Logs method, route, path without query, status, milliseconds, client and user of every request, and records
    `http_requests_total`, `http_request_duration_seconds` and `http_requests_in_progress`.

    Lines go directly to the buffer, without structlog's processors. Labels are only route templates and known methods,
    so that clients cannot create new time series.
    """

    def __init__(self, app: ASGIApp) -> None:
        from undercroft.core.telemetry.metrics import REQUESTS_IN_PROGRESS

        settings = load(TelemetrySettings)
        self.app = app
        self._slow = settings.log_slow_request
        self._quiet = settings.log_level in ("warning", "error")
        self._in_progress = REQUESTS_IN_PROGRESS
        self._children: dict[tuple[str, str | None, int], tuple[Any, Any]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        self._in_progress.inc()
        try:
            await self.app(scope, receive, send)
        finally:
            self._in_progress.dec()
            seconds = time.perf_counter() - started
            state = scope["state"]
            key = (scope["method"], state["route_template"], state.get("status", 499))
            count, observe = self._children.get(key) or self._add_children(key)
            count()
            observe(seconds)
            self._log(scope, seconds)

    def _add_children(self, key: tuple[str, str | None, int]) -> tuple[Any, Any]:
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

    def _log(self, scope: Scope, seconds: float) -> None:
        facts = _build_record(scope, seconds)
        if not self._quiet or facts["status"] >= 500:
            logs.write_access(facts)
        if seconds >= self._slow:
            slow_log.warning(
                "slow request", method=facts["method"], route=facts["route"], ms=facts["ms"], status=facts["status"]
            )


def _build_record(scope: Scope, seconds: float) -> dict[str, Any]:
    state = scope["state"]
    status = state.get("status", 499)
    principal, client = state.get("principal"), scope.get("client")
    facts = {
        "timestamp": datetime.now(UTC),
        "level": "info" if status < 500 else "error",
        "category": "access",
        "event": "request",
        "request_id": state["request_id"],
        "method": scope["method"],
        "route": state["route_template"],
        "path": clean_text(scope["path"][:200]),
        "status": status,
        "ms": round(seconds * 1000, 2),
        "client": client[0] if client else None,
        "user_id": principal.user_id_or_none if principal is not None else None,
    }
    if principal is not None and principal.impersonator_id is not None:
        facts["impersonator_id"] = principal.impersonator_id
    return facts
