"""Builds the document, in stable order."""

from collections.abc import Collection
from copy import deepcopy
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from undercroft.core.context import current_context
from undercroft.core.errors import Forbidden, NotFound, ServiceUnavailable, TooManyRequests, Unauthorized
from undercroft.core.http._fastapi import depends_on
from undercroft.core.http.conditional import if_match
from undercroft.core.http.errors import InternalError, ValidationFailed
from undercroft.core.http.guards import current_principal
from undercroft.core.http.idempotency import (
    KEY_ERRORS,
    IdempotencyMode,
    IdempotencyResponseNotStored,
    IdempotencySecret,
    get_idempotency_mode,
    is_secret,
    stores_keys,
)
from undercroft.core.http.lazy_route import LazyRoute
from undercroft.core.http.limits import get_rate_limit_rule
from undercroft.core.http.openapi.components import (
    ERROR_BODY,
    HEADERS,
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    RATE_HEADERS,
    ErrorResponses,
    header,
    header_parameter,
)
from undercroft.core.http.openapi.deprecations import describe_deprecations
from undercroft.core.http.openapi.examples import add_examples
from undercroft.core.http.openapi.operation_ids import require_unique_ids
from undercroft.core.http.openapi.schemas import (
    describe_parameters,
    describe_schemas,
    require_returned_fields,
    simplify_inputs,
)
from undercroft.core.http.query import build_parameters, get_query_models
from undercroft.core.http.route_info import get_info
from undercroft.core.http.tags import build_tags
from undercroft.core.http.versions import ApiVersionNotFound, served_at, with_version
from undercroft.core.modules import RequestHeaders, SecuritySchemes
from undercroft.core.settings import CoreSettings, load

if TYPE_CHECKING:
    from undercroft.core.http.application import Api

DESCRIPTION = """
**Errors.** Every error response has the schema `ErrorBody`. Programs compare `error.code`; users read `error.message`.

**Lists.** `page` and `size` select a page and return the total count. `cursor` and `limit` read on from the previous
response, without a count.

**Rate limits.** `X-RateLimit-Remaining` is the number of requests left. After 429, wait for the seconds in
`Retry-After`.

**Versions.** The response header `X-API-Version` states the version. The request header of the same name chooses one.
Responses of deprecated operations, and to requests with deprecated parameters or fields, have `Deprecation`, `Sunset`
and `Link`.

**Formats.** Times are RFC 3339 in UTC. IDs are UUIDs of version 7.
""".strip()
RETRIES = """

**Retries.** Send a unique `Idempotency-Key` with a request that changes data, and the same key with each retry: the
request is executed once.
""".rstrip()
METHOD_ORDER = ("get", "head", "post", "put", "patch", "delete", "options", "trace")


def build_openapi(app: "Api", version: int) -> dict[str, Any]:
    """Build the document of a version of the API.

    Raises `ApiVersionNotFound` for an unknown version and `CodeError` if two operations have the same id.
    """
    if version not in app.versions:
        raise ApiVersionNotFound(details={"versions": app.versions})
    documented = [route for route in app.routes if isinstance(route, APIRoute) and route.include_in_schema]
    for route in documented:
        if isinstance(route, LazyRoute):
            route.complete()  # once, before it is copied
    routes = [route for route in served_at(documented, version) if isinstance(route, APIRoute)]
    require_unique_ids(routes)
    tags, groups = build_tags(routes)
    document = get_openapi(title=app.title, version=app.version, openapi_version="3.1.0", routes=routes, tags=tags)
    document |= _build_information(document["info"])
    components = document.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    schemes = _security_schemes(document["paths"])
    errors = ErrorResponses()
    operations = [
        (document["paths"][route.path_format][method.lower()], route)
        for route in routes
        for method in route.methods or ()
    ]
    for operation, route in operations:
        _complete(operation, route, schemas, schemes, errors)
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    schemas["ErrorBody"] = deepcopy(ERROR_BODY)
    describe_schemas(schemas)
    for operation, route in operations:
        describe_deprecations(operation, route, schemas)
    require_returned_fields(document, routes)
    add_examples(document)
    components["schemas"] = dict(sorted(schemas.items()))
    components["examples"] = dict(sorted(errors.examples.items()))
    components["headers"] = HEADERS
    components["securitySchemes"] = schemes
    document["paths"] = {path: _sort_methods(item) for path, item in document["paths"].items()}
    document["x-tagGroups"] = groups
    return document


def _build_information(info: dict[str, Any]) -> dict[str, Any]:
    """The members `info` and `servers` of the document."""
    settings = load(CoreSettings)
    description = DESCRIPTION + (RETRIES if stores_keys() else "")
    info = info | {"description": description, "contact": {"name": settings.app_name, "url": settings.public_url}}
    if settings.api_license:
        info["license"] = {"name": settings.api_license, "identifier": settings.api_license}
    return {"info": info, "servers": [{"url": settings.public_url, "description": settings.app_name}]}


def _security_schemes(paths: Collection[str]) -> dict[str, Any]:
    """The application's schemes, without those whose token endpoint belongs to another surface."""
    declared = current_context().find(SecuritySchemes) or SecuritySchemes()
    first = tuple(with_version(path, 1) for path in paths)  # every version serves the token endpoint
    return {
        name: scheme
        for name, scheme in declared.items()
        if all(urlsplit(flow["tokenUrl"]).path.endswith(first) for flow in scheme.get("flows", {}).values())
    }


def _complete(
    operation: dict[str, Any],
    route: APIRoute,
    schemas: dict[str, Any],
    schemes: dict[str, Any],
    errors: ErrorResponses,
) -> None:
    _add_query(operation, route, schemas)
    simplify_inputs(operation)
    describe_parameters(operation, schemas)
    _add_idempotency(operation, route, errors)
    _add_errors(operation, route, errors)
    _add_security(operation, route, schemes, errors)
    _add_rate_limit(operation, route, errors)
    _add_headers(operation, route)
    _add_not_modified(operation)
    responses = dict(sorted(operation["responses"].items()))
    errors.add(responses, NotFound, InternalError, ServiceUnavailable, status="default", description="Any other error.")
    operation["responses"] = responses


def _add_query(operation: dict[str, Any], route: APIRoute, schemas: dict[str, Any]) -> None:
    for model in get_query_models(route):
        listed, definitions = build_parameters(model)
        operation.setdefault("parameters", []).extend(listed)
        schemas.update(definitions)


def _add_idempotency(operation: dict[str, Any], route: APIRoute, errors: ErrorResponses) -> None:
    if get_idempotency_mode(route) is IdempotencyMode.IGNORED or not stores_keys():
        return
    operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    not_replayed = IdempotencySecret if is_secret(route) else IdempotencyResponseNotStored
    errors.add(operation["responses"], *KEY_ERRORS, not_replayed)


def _add_errors(operation: dict[str, Any], route: APIRoute, errors: ErrorResponses) -> None:
    responses = operation["responses"]
    if "HTTPValidationError" in str(responses.get("422")):
        del responses["422"]
    errors.add(responses, *get_info(route).errors)
    if operation.get("parameters") or "requestBody" in operation:
        errors.add(responses, ValidationFailed)


def _add_security(operation: dict[str, Any], route: APIRoute, schemes: dict[str, Any], errors: ErrorResponses) -> None:
    """Add the permission and the ways to authenticate; none means that everyone may call the operation."""
    if (permission := get_info(route).permission) is not None:
        operation["x-permission"] = permission
    operation["security"] = []
    if depends_on(route, current_principal):
        operation["security"] = [{name: []} for name in schemes]
        errors.add(operation["responses"], Unauthorized, Forbidden)


def _add_rate_limit(operation: dict[str, Any], route: APIRoute, errors: ErrorResponses) -> None:
    if get_rate_limit_rule(route) is None:
        return
    responses = operation["responses"]
    errors.add(responses, TooManyRequests)
    for response in responses.values():
        response["headers"] = {**response.get("headers", {}), **{name: header(name) for name in RATE_HEADERS}}
    responses["429"]["headers"]["Retry-After"] = header("Retry-After")


def _add_headers(operation: dict[str, Any], route: APIRoute) -> None:
    """Add optional request headers. They are not endpoint parameters, because each guard reads them itself."""
    parameters = [
        header_parameter(each.name, each.description, {"format": each.format} if each.format else {})
        for each in current_context().find(RequestHeaders) or ()
        if each.documented_at(route)
    ]
    if depends_on(route, if_match):
        parameters.append(IF_MATCH)
    if parameters:
        operation.setdefault("parameters", []).extend(parameters)


def _add_not_modified(operation: dict[str, Any]) -> None:
    """Add `If-None-Match` and 304 to a read with an ETag; see `core.http.conditional.NotModified`."""
    tag = operation["responses"].get("200", {}).get("headers", {}).get("ETag")
    if tag is not None:
        operation.setdefault("parameters", []).append(IF_NONE_MATCH)
        operation["responses"]["304"] = {
            "description": "The cached response is still current.",
            "headers": {"ETag": tag},
        }


def _sort_methods(item: dict[str, Any]) -> dict[str, Any]:
    return {method: item[method] for method in METHOD_ORDER if method in item}
