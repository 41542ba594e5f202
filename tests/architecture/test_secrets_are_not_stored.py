"""A POST route whose response contains a secret never stores it for `Idempotency-Key`."""

from collections.abc import Iterator, Mapping
from typing import Any

from fastapi.routing import APIRoute

from undercroft.app.api import offline_app
from undercroft.core.http.route_info import get_info

SECRETS = frozenset(
    {"access_token", "refresh_token", "ApiKeyWithSecret", "secret", "recovery_codes", "mfa_token", "otpauth_url"}
)
"""Names of properties and of schemas."""


def names(schema: Mapping[str, Any], schemas: Mapping[str, Any], depth: int = 0) -> Iterator[str]:
    """Yield the names of a schema and of all its properties."""
    if depth > 8:
        return
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        yield name
        yield from names(schemas[name], schemas, depth + 1)
    for kind in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(kind, ()):
            yield from names(each, schemas, depth + 1)
    if "items" in schema:
        yield from names(schema["items"], schemas, depth + 1)
    for name, each in schema.get("properties", {}).items():
        yield name
        yield from names(each, schemas, depth + 1)


def test_routes_that_return_secrets_never_store_their_response() -> None:
    app = offline_app()
    document = app.openapi()
    schemas = document["components"]["schemas"]
    secret, stored = set[str](), set[str]()
    for route in app.routes:
        if not isinstance(route, APIRoute) or "POST" not in route.methods or not route.include_in_schema:
            continue
        for status, response in document["paths"][route.path_format]["post"]["responses"].items():
            for content in response.get("content", {}).values() if status < "300" else ():
                if SECRETS & set(names(content.get("schema", {}), schemas)):
                    secret.add(route.path)
                    if get_info(route).idempotency == "store":
                        stored.add(route.path)
    assert stored == set(), 'Add idempotency="never_store" to these routes.'
    assert len(secret) >= 5
