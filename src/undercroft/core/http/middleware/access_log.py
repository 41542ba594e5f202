"""Log one line per request, and a warning for slow requests."""

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


class AccessLog:
    """Logs method, route, path without query, status, milliseconds, client and user of every request.

    Lines go directly to the buffer, without structlog's processors.
    """

    def __init__(self, app: ASGIApp) -> None:
        settings = load(TelemetrySettings)
        self.app = app
        self._slow = settings.log_slow_request
        self._quiet = settings.log_level in ("warning", "error")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        try:
            await self.app(scope, receive, send)
        finally:
            self._log(scope, time.perf_counter() - started)

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
