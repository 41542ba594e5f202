"""What the OpenAPI document shows as an example is valid: the server accepts it, and its responses look like it."""

from typing import Annotated, Any

import pytest
from fastapi.routing import APIRoute
from pydantic import TypeAdapter

from undercroft.app.api import offline_app
from undercroft.core.http.openapi.coverage import find_gaps
from undercroft.core.http.openapi.examples import bodies

APP = offline_app()
DOCUMENT = APP.openapi()
ROUTES = [route for route in APP.routes if isinstance(route, APIRoute) and route.include_in_schema]


def examples(route: APIRoute) -> dict[str, Any]:
    operation = DOCUMENT["paths"][route.path_format][min(route.methods or {"GET"}).lower()]
    return {part: media["example"] for part, content in bodies(operation) for media in content.values()}


def test_everything_is_described() -> None:
    assert list(find_gaps(DOCUMENT)) == []


@pytest.mark.parametrize("route", [route for route in ROUTES if route.body_field], ids=lambda route: route.path_format)
def test_request_example_is_valid(route: APIRoute) -> None:
    assert route.body_field is not None
    field = route.body_field.field_info
    TypeAdapter(Annotated[field.annotation, field]).validate_python(examples(route)["request body"])


@pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.response_model], ids=lambda route: route.path_format
)
def test_response_example_is_valid(route: APIRoute) -> None:
    (example,) = (value for part, value in examples(route).items() if part.startswith("response"))
    TypeAdapter(route.response_model).validate_python(example)
