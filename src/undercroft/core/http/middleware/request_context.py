"""Request id, context variables and common response headers."""

import re

import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars

from undercroft.core.audit import AuditContext
from undercroft.core.db.reauthorization import bind_reauthorization
from undercroft.core.db.tenancy import set_current_tenant

_VALID = re.compile(rb"[A-Za-z0-9._-]{8,128}")


class RequestContext:
    """Fills `scope["state"]` and adds the response headers that other middleware leaves there.

    - `request_id`: the client's `X-Request-ID` if it has 8 to 128 letters, digits, dots, dashes or underscores,
      otherwise a UUIDv7. It is bound to the log context and returned in the response.
    - `request_headers`: a dict of the headers; the last one wins.
    - `response_headers`: a list of raw headers to which any code may append until the response begins.
    - `rate_limit`: the `RateLimitResult` for the response headers.
    - `status`: the status of the response once it has begun.
    - `websocket`: `open` once a WebSocket is accepted, `closed` once it is refused or closed.
    - `body_stalled`: whether the timeout expired while the client was still sending its body.
    """

    def __init__(self, http: ASGIApp, *, websocket: ASGIApp) -> None:
        self.http = http
        self.websocket = websocket

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        given = headers.get(b"x-request-id")
        request_id = given.decode() if given and _VALID.fullmatch(given) else str(uuid_utils.uuid7())
        extra = [(b"x-request-id", request_id.encode())]
        state = scope["state"] = {
            **scope.get("state", {}),
            "request_id": request_id,
            "request_headers": headers,
            "response_headers": extra,
            "route_template": None,
        }

        async def send_head(message: Message) -> None:
            if message["type"] == "http.response.start":
                state["status"] = message["status"]
                result = state.get("rate_limit")
                limits = result.headers() if result is not None else ()
                message["headers"] = [*message.get("headers", ()), *extra, *limits]
            await send(message)

        async def send_websocket(message: Message) -> None:
            if message["type"] in ("websocket.accept", "websocket.http.response.start"):
                message["headers"] = [*message.get("headers", ()), *extra]
            if message["type"] != "websocket.send":
                state["websocket"] = "open" if message["type"] == "websocket.accept" else "closed"
            await send(message)

        set_current_tenant(None)
        bind_contextvars(request_id=request_id)
        try:
            with AuditContext(scope):
                if scope["type"] == "http":
                    await self.http(scope, receive, send_head)
                else:
                    await self.websocket(scope, receive, send_websocket)
        finally:
            bind_reauthorization(None)
            unbind_contextvars("request_id", "user_id", "team_id", "api_key_id", "impersonator_id")
