"""Components of every document: the error body, headers and header parameters."""

from http.client import responses as reason_phrases
from typing import Any

from undercroft.core.errors import AppError
from undercroft.core.http.errors import ValidationFailed
from undercroft.core.http.openapi.examples import ID_EXAMPLE, TIME_EXAMPLE

ERROR_BODY: dict[str, Any] = {
    "title": "ErrorBody",
    "description": "Body of every error response.",
    "type": "object",
    "required": ["error", "request_id", "timestamp"],
    "properties": {
        "error": {
            "type": "object",
            "description": "The error.",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "description": "Stable error code for programs.", "pattern": "^[A-Z0-9_]+$"},
                "message": {"type": "string", "description": "Error message for users."},
                "details": {
                    "description": "More data, by code.",
                    "anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}],
                },
            },
        },
        "request_id": {
            "anyOf": [{"type": "string"}, {"type": "null"}],
            "description": "Request ID to include when you contact support.",
        },
        "timestamp": {"type": "string", "format": "date-time", "description": "Time of the response."},
    },
}
RATE_HEADERS: dict[str, Any] = {
    "X-RateLimit-Limit": {"description": "Requests allowed per window.", "schema": {"type": "integer"}},
    "X-RateLimit-Remaining": {"description": "Requests left in the window.", "schema": {"type": "integer"}},
    "X-RateLimit-Reset": {"description": "Seconds until the window ends.", "schema": {"type": "integer"}},
}
HEADERS = {
    **RATE_HEADERS,
    "Retry-After": {"description": "Seconds before a retry.", "schema": {"type": "integer"}},
}
EXAMPLE_DETAILS: dict[str, Any] = {
    ValidationFailed.code: {"fields": [{"field": "body.email", "message": "Field required", "type": "missing"}]}
}


def header_parameter(name: str, description: str, schema: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A parameter object of an optional request header."""
    parameter = {"name": name, "in": "header", "required": False, "description": description}
    return parameter | {"schema": {"type": "string", **schema}} | more


IDEMPOTENCY_KEY = header_parameter(
    "Idempotency-Key",
    "Unique key of the operation. Retry a request with the same key: it is executed once, and a retry returns the "
    "stored response with `Idempotency-Replayed: true`.",
    {"minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
)
IF_MATCH = header_parameter(
    "If-Match",
    "The `ETag` of the version that was read. Returns 412 if the resource has changed since.",
    {"maxLength": 1000, "pattern": r'^(\*|(W/)?"[0-9]+"(, (W/)?"[0-9]+")*)$'},
    example='"3"',
)
IF_NONE_MATCH = header_parameter(
    "If-None-Match", "The `ETag` of a cached response. Returns 304 if it is still current.", {}, example='"3"'
)


def header(name: str) -> dict[str, str]:
    """A reference to one of `HEADERS`."""
    return {"$ref": f"#/components/headers/{name}"}


class ErrorResponses:
    """Builds error responses. Their examples are components, because most operations share them."""

    def __init__(self) -> None:
        self.examples: dict[str, Any] = {}

    def add(self, responses: dict[str, Any], *errors: type[AppError], status: str = "", description: str = "") -> None:
        """Add errors to an operation's responses: to those of their status, or to the given one."""
        for error in errors:
            described = {"description": description or reason_phrases.get(error.status, "Error")}
            response = responses.setdefault(status or str(error.status), described)
            body = response.setdefault("content", {}).setdefault("application/json", {})
            body.setdefault("schema", {"$ref": "#/components/schemas/ErrorBody"})
            body.setdefault("examples", {})[error.code] = {"$ref": f"#/components/examples/{error.code}"}
            self.examples[error.code] = _example(error)


def _example(error: type[AppError]) -> dict[str, Any]:
    details = EXAMPLE_DETAILS.get(error.code)
    value = {
        "error": {"code": error.code, "message": error.message, "details": details},
        "request_id": ID_EXAMPLE,
        "timestamp": TIME_EXAMPLE,
    }
    return {"summary": error.message, "value": value}
