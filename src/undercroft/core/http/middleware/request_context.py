"""Outermost: when a request came, what it is called, and what every answer to it carries."""

import re

import uuid_utils
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, unbind_contextvars

from undercroft.core.audit import AuditContext
from undercroft.core.db.reauthorization import bind_reauthorization
from undercroft.core.db.tenancy import set_current_tenant

_VALID = re.compile(rb"[A-Za-z0-9._-]{8,128}")


class RequestContext:
    """Fills `scope["state"]` and sends what other layers left there for the answer's head.

    `request_id`: the client's `X-Request-ID` when it is 8 to 128 letters, digits, dots, dashes or underscores, else a
    UUIDv7; also bound to the log's context and sent back. `request_headers`: a
    dict of the headers (the last of several). `response_headers`: a list that anyone may add raw headers to until the
    answer begins. `rate_limit`: the `Verdict` that the head tells. `status`: that of the answer, once it has begun.
    `body_stalled`: whether the time was up while the client still had to send its body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
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
                verdict = state.get("rate_limit")
                limits = verdict.headers() if verdict is not None else ()
                message["headers"] = [*message.get("headers", ()), *extra, *limits]
            await send(message)

        set_current_tenant(None)
        bind_contextvars(request_id=request_id)
        try:
            with AuditContext(scope):
                await self.app(scope, receive, send_head if scope["type"] == "http" else send)
        finally:
            bind_reauthorization(None)
            unbind_contextvars("request_id", "user_id", "team_id", "api_key_id", "impersonator_id")
