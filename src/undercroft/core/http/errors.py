"""Return every error in the same format:

{"error": {"code": "PROJECT_NOT_FOUND", "message": "…", "details": {…} | null}, "request_id": "…", "timestamp": "…"}
"""

import http.client
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, cast

import msgspec
import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Receive, Scope, Send

from undercroft.core.db.errors import translate_error
from undercroft.core.errors import AppError, BadRequest, Forbidden, NotFound, Unauthorized, Unprocessable
from undercroft.core.settings import CoreSettings, load
from undercroft.core.telemetry.origin import find_origin, summarize_error

log = structlog.get_logger("undercroft.error")

RERAISE_EXTENSIONS = frozenset({"http.response.debug", "undercroft.raises"})
"""ASGI extensions of test clients, Starlette's and ours, that raise an unexpected error after its response."""
LOOPBACK = frozenset({"127.0.0.1", "::1"})
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
    """Pure ASGI middleware that turns exceptions into error responses and logs server errors."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        try:
            await self.app(scope, receive, send)
        except ClientDisconnect:
            scope["state"]["status"] = 499
        except Exception as error:
            cause = _unwrap_group(error)
            for_client = as_app_error(cause)
            report(cause, for_client, scope)
            if "status" in scope["state"]:
                raise
            if isinstance(for_client, InternalError) and _is_local_developer(scope):
                for_client = _explain(cause)
            await send_error(for_client, scope, send)
            if isinstance(for_client, InternalError) and RERAISE_EXTENSIONS & scope.get("extensions", {}).keys():
                raise


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
    if isinstance(error, RequestValidationError):
        return _from_validation(error)
    if isinstance(error, HTTPException):
        return _from_http(error)
    return translate_error(error) or InternalError()


def report(error: Exception, for_client: AppError, scope: Scope) -> None:
    """Log an error that the client did not cause, with its traceback if it is unexpected."""
    if for_client.status < 500:
        return
    facts = {"method": scope["method"], "route": scope["state"].get("route_template")}
    if isinstance(for_client, InternalError) or type(error) is AppError:
        log.error("unhandled error", exc_info=error, **facts)
    else:
        cause = error.__cause__ or error
        log.warning("request failed", code=for_client.code, cause=f"{type(cause).__name__}: {cause}", **facts)


async def send_error(error: AppError, scope: Scope, send: Send) -> None:
    """Send an error as a complete response."""
    body, more = render_error(error, scope)
    headers = [(b"content-length", str(len(body)).encode())]
    headers += [(name.lower().encode(), value.encode("latin-1")) for name, value in (error.headers | more).items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


def render_error(error: AppError, scope: Scope) -> tuple[bytes, dict[str, str]]:
    """The body and headers of an error response: JSON, or an HTML page for browsers outside the API."""
    if not scope["path"].startswith("/api/") and _wants_html(scope):
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


def responses(*errors: type[AppError]) -> dict[int | str, dict[str, Any]]:
    """FastAPI's `responses=` for a route that may return these errors, with an example for each code."""
    documented: dict[int | str, dict[str, Any]] = {}
    for error in errors:
        entry = documented.setdefault(error.status, error_response(http.client.responses.get(error.status, "Error")))
        entry["content"]["application/json"]["examples"][error.code] = example(error)
    return documented


def error_response(description: str) -> dict[str, Any]:
    """OpenAPI's response object of an error, without examples."""
    content = {"schema": {"$ref": "#/components/schemas/ErrorBody"}, "examples": {}}
    return {"description": description, "content": {"application/json": content}}


def example(error: type[AppError], details: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """OpenAPI's example object of an error."""
    value = {
        "error": {"code": error.code, "message": error.message, "details": details},
        "request_id": "0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10",
        "timestamp": "2026-11-21T14:03:07.120000Z",
    }
    return {"summary": error.message, "value": value}


def _unwrap_group(error: Exception) -> Exception:
    """The only exception of a group, otherwise the error itself."""
    while isinstance(error, ExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _from_validation(error: RequestValidationError) -> AppError:
    if isinstance(error.body, bytes | bytearray):
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
    kind = _BY_STATUS.get(error.status_code)
    if kind is None:
        kind = type("HttpError", (AppError,), {"status": error.status_code, "code": f"HTTP_{error.status_code}"})
    text = kind.message if error.status_code in (404, 405) or not isinstance(error.detail, str) else error.detail
    return kind(text, headers=error.headers)


def _wants_html(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])
