"""Return every error in the same format:

{"error": {"code": "PROJECT_NOT_FOUND", "message": "…", "details": {…} | null}, "request_id": "…", "timestamp": "…"}
"""

import http.client
import inspect
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import structlog
from fastapi.exceptions import RequestValidationError, WebSocketRequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException, WebSocketException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from undercroft.core.db.errors import translate_error
from undercroft.core.errors import AppError, BadRequest, Forbidden, NotFound, Unauthorized, Unprocessable
from undercroft.core.settings import CoreSettings, load
from undercroft.core.telemetry.origin import find_origin, summarize_error

log = structlog.get_logger("undercroft.error")

RERAISE_EXTENSIONS = frozenset({"http.response.debug", "undercroft.raises"})
"""ASGI extensions of test clients, Starlette's and ours, that raise an unexpected error after its response."""
LOOPBACK = frozenset({"127.0.0.1", "::1"})
BODYLESS = frozenset({204, 304})
"""Statuses of responses without a body (RFC 9110, 15.3.5 and 15.4.5)."""
MAX_FIELD_ERRORS = 50
MAX_PATH = 200


class ValidationFailed(Unprocessable):
    """The request is invalid; `details.fields` lists where and why, never the values that were sent."""

    code = "VALIDATION_ERROR"
    message = "The request is invalid."


class MethodNotAllowed(AppError):
    status = 405
    code = "METHOD_NOT_ALLOWED"
    message = "This endpoint does not support the method."


class RequestTimedOut(AppError):
    """The response did not begin in time; the operation may or may not have happened."""

    status = 504
    code = "TIMED_OUT"
    message = "The request timed out."


class BodyTimedOut(AppError):
    """The client did not send its whole body in time; nothing happened (RFC 9110, 15.5.9)."""

    status = 408
    code = "BODY_TIMED_OUT"
    message = "The request body did not arrive in time."


class PayloadTooLarge(AppError):
    status = 413
    code = "PAYLOAD_TOO_LARGE"
    message = "The request body is too large."


class UnsupportedMediaType(AppError):
    status = 415
    code = "UNSUPPORTED_MEDIA_TYPE"
    message = "Send the body as JSON with the header Content-Type: application/json."


class InternalError(AppError):
    pass


_BY_STATUS: dict[int, type[AppError]] = {
    error.status: error
    for error in (
        BadRequest, Unauthorized, Forbidden, NotFound, MethodNotAllowed, PayloadTooLarge, UnsupportedMediaType,
        Unprocessable,
    )
}  # fmt: skip
JSON = {"Content-Type": "application/json"}

_encoder = msgspec.json.Encoder(enc_hook=str)


class ErrorHandler:
    """Pure ASGI middleware that turns exceptions into error responses and logs server errors.

    Unexpected exceptions are passed to `unexpected`, the application's handler of `Exception`, if it has one. With
    `expected_only` they are raised, for middleware of the application between this one and another.
    """

    def __init__(
        self, app: ASGIApp, unexpected: Callable[..., Any] | None = None, *, expected_only: bool = False
    ) -> None:
        self.app = app
        self._unexpected = unexpected
        self._expected_only = expected_only

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self.app(scope, receive, send)
        except (ClientDisconnect, WebSocketDisconnect):
            scope["state"]["status"] = 499
        except Exception as error:
            cause = _unwrap_group(error)
            for_client = as_app_error(cause)
            is_unexpected = isinstance(for_client, InternalError)
            if is_unexpected and self._expected_only:
                raise
            report(cause, for_client, scope)
            if scope["type"] == "websocket":
                await close_websocket(cause, for_client, scope, receive, send)
                return
            if "status" in scope["state"]:
                raise
            if is_unexpected and self._unexpected is not None:
                await _send_response(self._unexpected, cause, scope, receive, send)
            else:
                await send_error(
                    _explain(cause) if is_unexpected and _is_local_developer(scope) else for_client, scope, send
                )
            if is_unexpected and RERAISE_EXTENSIONS & scope.get("extensions", {}).keys():
                raise


async def _send_response(
    handler: Callable[..., Any], error: Exception, scope: Scope, receive: Receive, send: Send
) -> None:
    request = Request(scope, receive, send)
    if inspect.iscoroutinefunction(handler):
        response = await handler(request, error)
    else:
        response = await run_in_threadpool(handler, request, error)
    await response(scope, receive, send)


def _is_local_developer(scope: Scope) -> bool:
    """Whether the developer sent the request: in development, from this machine, not through a proxy or tunnel."""
    forwarded = {b"forwarded", b"x-forwarded-for", b"x-real-ip"} & scope["state"]["request_headers"].keys()
    client = scope.get("client")
    return bool(load(CoreSettings).is_development and client and client[0] in LOOPBACK and not forwarded)


def _explain(error: Exception) -> AppError:
    origin = find_origin(error)
    summary = summarize_error(error)
    if origin is None:
        return InternalError(summary)
    details = {"at": origin.location, "source": origin.source, "hint": origin.hint or None}
    return InternalError(f"{summary} ({origin.location})", details=details)


def as_app_error(error: Exception) -> AppError:
    """The error that the client gets for this exception."""
    if isinstance(error, AppError):
        return error
    if isinstance(error, (RequestValidationError, WebSocketRequestValidationError)):
        return _from_validation(error)
    if isinstance(error, WebSocketException):
        return BadRequest(error.reason)
    if isinstance(error, HTTPException):
        return _from_http(error)
    return translate_error(error) or InternalError()


def report(error: Exception, for_client: AppError, scope: Scope) -> None:
    """Log an error that the client did not cause, with its traceback if it is unexpected."""
    if for_client.status < 500:
        if scope["type"] == "websocket":
            log.info("websocket.refused", code=for_client.code, route=scope["state"].get("route_template"))
        return
    facts = {"method": scope.get("method", "WEBSOCKET"), "route": scope["state"].get("route_template")}
    if isinstance(for_client, InternalError) or type(error) is AppError:
        log.error("unhandled error", exc_info=error, **facts)
    else:
        cause = error.__cause__ or error
        log.warning("request failed", code=for_client.code, cause=f"{type(cause).__name__}: {cause}", **facts)


async def send_error(error: AppError, scope: Scope, send: Send) -> None:
    """Send an error as a complete response."""
    if error.status in BODYLESS:
        body, more = b"", dict[str, str]()
    else:
        body, more = render_error(error, scope)
    headers = [(b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in (error.headers | more).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


async def close_websocket(cause: Exception, error: AppError, scope: Scope, receive: Receive, send: Send) -> None:
    """Close a WebSocket after an error. A handshake is refused with the response of an HTTP request if the server can.

    The code is that of a `WebSocketException`, 1011 for an error of the server, otherwise 1008 (RFC 6455, 7.4.1), the
    reason the code of the error.
    """
    state = scope["state"].get("websocket", "connecting")
    if state == "closed":
        return
    if state == "connecting" and "websocket.http.response" in scope.get("extensions", {}):
        body = encode_error(error, scope["state"]["request_id"])
        await Response(body, error.status, {**JSON, **error.headers})(scope, receive, send)
        return
    code, reason = 1011 if error.status >= 500 else 1008, error.code
    if isinstance(cause, WebSocketException):
        code, reason = cause.code, cause.reason
    await send({"type": "websocket.close", "code": code, "reason": reason})


def render_error(error: AppError, scope: Scope) -> tuple[bytes, dict[str, str]]:
    """The body and headers of an error response: JSON, or an HTML page for browsers outside the API."""
    wants_html = any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
    if wants_html and not scope["path"].startswith("/api/"):
        from undercroft.core.http.pages import error_page

        body, headers = error_page(error, scope)
        return body, {"Content-Type": "text/html; charset=utf-8", **headers}
    return encode_error(error, scope.get("state", {}).get("request_id")), JSON


def encode_error(error: AppError, request_id: str | None) -> bytes:
    """The error as JSON."""
    shape = {
        "error": {"code": error.code, "message": error.text, "details": error.details},
        "request_id": request_id,
        "timestamp": datetime.now(UTC),
    }
    try:
        return _encoder.encode(shape)
    except UnicodeEncodeError:
        shape["error"] = {"code": error.code, "message": error.message, "details": None}
        return _encoder.encode(shape)


def _unwrap_group(error: Exception) -> Exception:
    """The only exception of a group, otherwise the error itself."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _from_validation(error: RequestValidationError | WebSocketRequestValidationError) -> AppError:
    if isinstance(getattr(error, "body", None), bytes | bytearray):
        return UnsupportedMediaType()
    errors = error.errors()
    fields = [_field_error(each) for each in errors[:MAX_FIELD_ERRORS]]
    return ValidationFailed(details={"fields": fields})


def _field_error(error: Mapping[str, Any]) -> dict[str, str]:
    kind, loc = error["type"], cast(Sequence[str | int], error["loc"])
    if kind == "json_invalid":
        return {"field": "body", "message": f"This is not valid JSON: {error['ctx']['error']}.", "type": kind}
    path = ".".join(map(str, loc))[:MAX_PATH].encode("utf-8", "replace").decode()
    return {"field": path, "message": error["msg"].removeprefix("Value error, "), "type": kind}


def _from_http(error: HTTPException) -> AppError:
    """The error in our format. Its `detail` becomes the message if it is a text, otherwise the details."""
    status, detail = error.status_code, error.detail
    phrase = http.client.responses.get(status, "")
    kind = _BY_STATUS.get(status)
    if kind is None:
        attributes = {"status": status, "code": f"HTTP_{status}", "message": phrase or AppError.message}
        kind = type("HttpError", (AppError,), attributes)
    if isinstance(detail, str):
        return kind(kind.message if detail == phrase else detail, headers=error.headers)
    return kind(details=detail if isinstance(detail, Mapping) else {"detail": detail}, headers=error.headers)
