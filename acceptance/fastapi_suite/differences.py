"""FastAPI's tests that fail because of a deliberate difference. `topic` is its row in `docs/fastapi.md`."""

import re
from dataclasses import dataclass


@dataclass(frozen=True)
class Difference:
    """A topic, and the patterns of the names of the tests that fail because of it."""

    topic: str
    patterns: tuple[str, ...]

    def explains(self, test: str) -> bool:
        return any(re.search(pattern, test) for pattern in self.patterns)


DIFFERENCES = (
    Difference("event loops", (r"[\[-]trio", r"test_app_can_be_reused_across_event_loops")),
    Difference("`Host` routes, `frontend()`", (r"frontend", r"test_included_starlette_host")),
    Difference(
        '`BaseHTTPMiddleware`, `@app.middleware("http")`',
        (
            r"test_dependency_context(manager|vars)",
            r"test_tutorial\.test_middleware",
            r"base_http_middleware",
            r"test_request_body_limits::test_(limits_when_middleware|mounted_app_returns_413_when_middleware)",
        ),
    ),
    Difference("included routers", (r"test_router_include_context::", r"test_route_handler_wrapping::")),
    Difference(
        "trailing slash", (r"test_redirect_slashes_disabled", r"tutorial001_01::test_redirect", r"redirect_temp")
    ),
    Difference(
        "bodies",
        (
            r"test_request_body_limits::test_mount",
            r"test_request_body_limits::test_limit_stops_consumption",
            r"test_form_limits::",
            r"test_request_body_limits\.test_tutorial002::test_form_limits",
        ),
    ),
    Difference("errors", (r"test_tutorial008[cd]::test_internal_server_error", r"test_broken_session_data_no_raise")),
    Difference(
        "unexpected errors",
        (
            r"test_async_dependency_cleanup::",
            r"test_dependency_concurrency::test_errors_return_capacity",
            r"test_excluded_request_restores_context_after_error",
        ),
    ),
    Difference("groups of exceptions", (r"exception_groups", r"test_group_with_a_limit_error")),
    Difference(
        "unexpected error in a WebSocket",
        (r"test_dependency_after_yield_websockets", r"test_telemetry\.test_websockets::test_unexpected_exception"),
    ),
    Difference(
        "client that disconnects from a WebSocket",
        (r"test_tutorial\.test_websockets\.", r"test_telemetry\.test_websockets::test_client_disconnect"),
    ),
    Difference("refused WebSocket handshake", (r"test_ws_router::test_wrong_uri", r"test_handled_websocket_exception")),
    Difference("FastAPI's own telemetry", (r"test_telemetry\.test_(http|exceptions|websockets)::",)),
)
