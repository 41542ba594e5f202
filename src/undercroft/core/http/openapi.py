"""The OpenAPI 3.1 document, in stable order, with error responses, readable operation ids and security schemes."""

import re
from typing import TYPE_CHECKING, Any

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute
from fastapi.utils import generate_operation_id_for_path

from undercroft.core.errors import (
    AppError,
    CodeError,
    Forbidden,
    NotFound,
    ServiceUnavailable,
    TooManyRequests,
    Unauthorized,
)
from undercroft.core.http._fastapi import depends_on
from undercroft.core.http.conditional import if_match
from undercroft.core.http.errors import InternalError, ValidationFailed, error_response, example
from undercroft.core.http.guards import current_principal
from undercroft.core.http.idempotency import (
    KEY_ERRORS,
    IdempotencyMode,
    IdempotencyResponseNotStored,
    IdempotencySecret,
    get_idempotency_mode,
    is_secret,
)
from undercroft.core.http.limits import get_rate_limit_rule
from undercroft.core.http.query import build_parameters, get_query_models
from undercroft.core.http.tags import build_tags
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from undercroft.core.http.application import Api

ERROR_BODY: dict[str, Any] = {
    "title": "ErrorBody",
    "description": "Body of every error response.",
    "type": "object",
    "required": ["error", "request_id", "timestamp"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "details"],
            "properties": {
                "code": {"type": "string", "description": "Stable error code for programs.", "pattern": "^[A-Z0-9_]+$"},
                "message": {"type": "string", "description": "Error message for users."},
                "details": {
                    "description": "More data, by code.",
                    "anyOf": [{"type": "object"}, {"type": "null"}],
                },
            },
        },
        "request_id": {"type": ["string", "null"], "description": "Request ID to include when you contact support."},
        "timestamp": {"type": "string", "format": "date-time"},
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
IDEMPOTENCY_KEY: dict[str, Any] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Unique key of the operation. Retry a request with the same key: it is executed once, and a retry "
    "returns the stored response with `Idempotency-Replayed: true`.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255, "pattern": "^[!-~]+$"},
}
TEAM_ID: dict[str, Any] = {
    "name": "X-Team-ID",
    "in": "header",
    "required": False,
    "description": "Current team; the user's personal team by default. A team API key always uses its own team.",
    "schema": {"type": "string", "format": "uuid"},
}
IF_MATCH: dict[str, Any] = {
    "name": "If-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of the version that was read. Returns 412 if the resource has changed since.",
    "schema": {"type": "string", "maxLength": 1000, "pattern": r'^(\*|(W/)?"[0-9]+"(, (W/)?"[0-9]+")*)$'},
    "example": '"3"',
}
IF_NONE_MATCH: dict[str, Any] = {
    "name": "If-None-Match",
    "in": "header",
    "required": False,
    "description": "The `ETag` of a cached response. Returns 304 if it is still current.",
    "schema": {"type": "string"},
    "example": '"3"',
}
SECURITY_SCHEMES: dict[str, Any] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": "Access token or API key. Takes precedence over the session cookie.",
    },
    "session": {
        "type": "apiKey",
        "in": "cookie",
        "name": "__Host-uc_session",
        "description": "Session cookie; unsafe methods also require the header `X-CSRF-Token`.",
    },
}
PASSWORD_TOKEN_PATH = "/api/v1/auth/token"  # noqa: S105 - a path
EXAMPLE_FIELD_ERRORS = {"fields": [{"field": "body.email", "message": "Field required", "type": "missing"}]}
METHOD_ORDER = ("get", "head", "post", "put", "patch", "delete", "options", "trace")


def operation_id(route: APIRoute) -> str:
    """The operation id: `projects.list` for `list_projects` with the tag Projects."""
    tag = _slug(str(route.tags[0])) if route.tags else ""
    if not tag:
        return route.name
    noun = next((noun for noun in _noun_forms(tag) if route.name.endswith(f"_{noun}")), "")
    return f"{tag}.{route.name.removesuffix(f'_{noun}')}"


def _noun_forms(noun: str) -> tuple[str, ...]:
    """The plural and possible singulars of a tag: `boxes`, `box`; `entries`, `entry`."""
    return noun, noun.removesuffix("s"), noun.removesuffix("es"), f"{noun.removesuffix('ies')}y"


def build_openapi(app: "Api") -> dict[str, Any]:
    """Build the document. Raises `CodeError` if two operations have the same id."""
    routes = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    _require_unique_ids(routes)
    used = [str(tag) for route in routes for tag in route.tags]
    tags, groups = build_tags(used)
    document = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=app.routes, tags=tags)
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    schemes = _security_schemes(PASSWORD_TOKEN_PATH in document["paths"])
    for route in routes:
        for method in route.methods or ():
            operation = document["paths"][route.path_format][method.lower()]
            _add_query(operation, route, schemas)
            _add_idempotency(operation, route)
            _add_common_responses(operation, route, schemes)
            _add_headers(operation, route)
            if method == "GET":
                _add_not_modified(operation)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["ErrorBody"] = ERROR_BODY
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["components"]["headers"] = HEADERS
    document["components"]["securitySchemes"] = schemes
    document["paths"] = {path: _sort_methods(item) for path, item in document["paths"].items()}
    document["x-tagGroups"] = groups
    return document


def _security_schemes(with_password: bool) -> dict[str, Any]:
    if not with_password:
        return SECURITY_SCHEMES
    flow = {"tokenUrl": load(CoreSettings).public_url + PASSWORD_TOKEN_PATH, "scopes": {}}
    description = "Sign in with email and password to try requests in the documentation."
    return SECURITY_SCHEMES | {"password": {"type": "oauth2", "description": description, "flows": {"password": flow}}}


def _add_query(operation: dict[str, Any], route: APIRoute, schemas: dict[str, Any]) -> None:
    for model in get_query_models(route):
        listed, definitions = build_parameters(model)
        operation.setdefault("parameters", []).extend(listed)
        schemas.update(definitions)


def _add_idempotency(operation: dict[str, Any], route: APIRoute) -> None:
    if get_idempotency_mode(route) is IdempotencyMode.IGNORED:
        return
    operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    for error in (*KEY_ERRORS, IdempotencySecret if is_secret(route) else IdempotencyResponseNotStored):
        _add_error(operation["responses"], error)


def _add_common_responses(operation: dict[str, Any], route: APIRoute, schemes: dict[str, Any]) -> None:
    """Add what every operation has: error responses, rate limit headers and security."""
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    if operation.get("parameters") or "requestBody" in operation:
        _add_error(responses, ValidationFailed, EXAMPLE_FIELD_ERRORS)
    if depends_on(route, current_principal):
        operation["security"] = [{name: []} for name in schemes]
        _add_error(responses, Unauthorized)
        _add_error(responses, Forbidden)
    if get_rate_limit_rule(route.path_format, route.endpoint) is not None:
        _add_error(responses, TooManyRequests)
        for response in responses.values():
            response["headers"] = {**response.get("headers", {}), **{name: _header(name) for name in RATE_HEADERS}}
        responses["429"]["headers"]["Retry-After"] = _header("Retry-After")
    responses["default"] = _other_errors()
    operation["responses"] = dict(sorted(responses.items()))


def _add_headers(operation: dict[str, Any], route: APIRoute) -> None:
    """Add optional request headers. They are not endpoint parameters, because each guard reads them itself."""
    works_in_a_team = not getattr(route.endpoint, "__self_only__", True) and "{team_id}" not in route.path_format
    for header, is_read in ((TEAM_ID, works_in_a_team), (IF_MATCH, depends_on(route, if_match))):
        if is_read:
            operation.setdefault("parameters", []).append(header)


def _add_not_modified(operation: dict[str, Any]) -> None:
    """Add `If-None-Match` and 304 to a response with an ETag; see `core.http.conditional.NotModified`."""
    tag = operation["responses"].get("200", {}).get("headers", {}).get("ETag")
    if tag is not None:
        operation.setdefault("parameters", []).append(IF_NONE_MATCH)
        operation["responses"]["304"] = {
            "description": "The cached response is still current.",
            "headers": {"ETag": tag},
        }
        operation["responses"] = dict(sorted(operation["responses"].items()))


def _add_error(responses: dict[str, Any], error: type[AppError], details: dict[str, Any] | None = None) -> None:
    status = str(error.status)
    entry = responses.setdefault(status, error_response(error.message))
    examples = entry.get("content", {}).get("application/json", {}).setdefault("examples", {})
    examples.setdefault(error.code, example(error, details))


def _header(name: str) -> dict[str, str]:
    return {"$ref": f"#/components/headers/{name}"}


def _other_errors() -> dict[str, Any]:
    other = error_response("Any other error.")
    for error in (NotFound, InternalError, ServiceUnavailable):
        other["content"]["application/json"]["examples"][error.code] = example(error)
    return other


def _require_unique_ids(routes: list[APIRoute]) -> None:
    seen: dict[str, str] = {}
    for route in routes:
        name = route.operation_id or generate_operation_id_for_path(
            name=route.name, path=route.path_format, method=min(route.methods or {"GET"})
        )
        where = f"{'/'.join(sorted(route.methods or ()))} {route.path_format}"
        if name in seen:
            message = f"{seen[name]} and {where} have the same operation id {name!r}. Rename one of the functions."
            raise CodeError(message, at=route.endpoint)
        seen[name] = where


def _sort_methods(item: dict[str, Any]) -> dict[str, Any]:
    return {method: item[method] for method in METHOD_ORDER if method in item}


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")
