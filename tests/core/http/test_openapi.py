import json
from enum import StrEnum
from typing import Annotated, Any

import pytest
import schemathesis
from fastapi import Form, Header
from pydantic import BaseModel, Field
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.core.http.conftest import Build
from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.errors import CodeError, NotFound, Unauthorized
from undercroft.core.http import Router
from undercroft.core.http.conditional import IfMatch
from undercroft.core.http.errors import responses
from undercroft.core.http.limits import limit
from undercroft.core.http.pagination import CursorPage, ListQuery, Page, encode_cursor
from undercroft.core.http.query import query
from undercroft.core.http.settings import HttpSettings
from undercroft.core.http.tags import Tag
from undercroft.core.ids import UUID, new_id


class Color(StrEnum):
    RED = "red"
    BLUE = "blue"


class BoxQuery(ListQuery):
    sortable = ("created_at", "name")
    color: Color | None = Field(None, description="Only boxes of this color.")


class Box(BaseModel):
    name: str = Field(max_length=50)
    color: Color = Color.RED


class BoxNotFound(NotFound):
    code = "BOX_NOT_FOUND"
    message = "There is no such box."


BOXES = Tag("Boxes", "Containers of things.", group="Storage")
boxes = Router(surface="app", prefix="/boxes", tag=BOXES)
open_boxes = Router(surface="public", prefix="/boxes", tag="Windows")
administration = Router(surface="admin", prefix="/boxes", tag=BOXES)
tokens = Router(surface="auth", tag="Signing in")


@boxes.get("", response_model=Page[Box] | CursorPage[Box], summary="List boxes")
async def list_boxes(query: Annotated[BoxQuery, query(BoxQuery)]) -> Any:
    _ = query.checked_sort
    if query.uses_cursor:
        return CursorPage[Box](items=[], next_cursor=encode_cursor(query.position))
    return Page[Box].of([], total=0, page=query.page, size=query.size)


@boxes.post("", status_code=201, summary="Make a box")
async def create_box(box: Box, x_color: Annotated[str | None, Header(max_length=10)] = None) -> Box:
    return box


@boxes.get("/{box_id}", responses=responses(BoxNotFound), summary="Read a box")
async def read_box(box_id: UUID) -> Box:
    raise BoxNotFound


@boxes.delete("/{box_id}", status_code=204, summary="Remove a box")
async def delete_box(box_id: UUID, versions: IfMatch) -> None:
    return None


@open_boxes.get("/free", summary="Count boxes")
@limit(None)
async def count_boxes() -> int:
    return 3


@administration.get("", summary="All boxes")
async def all_boxes() -> list[Box]:
    return []


@tokens.post("/token", summary="Sign in")
async def token(username: Annotated[str, Form()], password: Annotated[str, Form()]) -> str:
    return username[:1] + password[:1]


class FakeAuthenticator:
    async def authenticate(self, request: Any) -> Principal:
        if request.headers.get("authorization") != "Bearer x":
            raise Unauthorized
        return Principal(new_id(), new_id(), PlatformRole.ADMIN, new_id(), frozenset())

    def known_device(self, request: Any) -> str | None:
        return None

    def verified_subject(self, request: Any) -> str | None:
        return None


@pytest.fixture
def schema(build: Build) -> dict[str, Any]:
    return build(boxes, open_boxes, administration, tokens).app.openapi()


def test_operation_ids_are_readable(schema: dict[str, Any]) -> None:
    names = {operation["operationId"] for path in schema["paths"].values() for operation in path.values()}

    assert names >= {"boxes.list", "boxes.create", "boxes.read", "boxes.delete", "boxes.all", "windows.count_boxes"}


def test_duplicate_operation_id_raises_an_error_that_names_both_routes(build: Build) -> None:
    twice = Router(surface="public", prefix="/twice", tag=BOXES)

    @twice.get("", name="list_boxes")
    async def list_again() -> None: ...

    with pytest.raises(CodeError, match=r"GET /api/v1/app/boxes and GET /api/v1/public/twice"):
        build(boxes, twice).app.openapi()


def test_document_is_valid_openapi_3_1(schema: dict[str, Any]) -> None:
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(schema)] == []


def test_tags_are_grouped(schema: dict[str, Any]) -> None:
    assert schema["x-tagGroups"][0] == {"name": "Storage", "tags": ["Boxes"]}
    assert {"name": "Boxes", "description": "Containers of things."} in schema["tags"]
    assert {tag for group in schema["x-tagGroups"] for tag in group["tags"]} == {tag["name"] for tag in schema["tags"]}


def test_error_responses_reference_the_error_schema(schema: dict[str, Any]) -> None:
    assert "HTTPValidationError" not in json.dumps(schema)
    for path in schema["paths"].values():
        for operation in path.values():
            for status, response in operation["responses"].items():
                if status[0] in "45d":
                    content = response["content"]["application/json"]
                    assert content["schema"] == {"$ref": "#/components/schemas/ErrorBody"}
                    assert content["examples"]


def test_examples_list_the_error_codes_of_a_route(schema: dict[str, Any]) -> None:
    read = schema["paths"]["/api/v1/app/boxes/{box_id}"]["get"]["responses"]

    assert set(read) >= {"200", "401", "403", "404", "422", "429", "default"}
    assert "BOX_NOT_FOUND" in read["404"]["content"]["application/json"]["examples"]


def test_security_of_operations_is_declared(schema: dict[str, Any]) -> None:
    paths = schema["paths"]

    assert set(schema["components"]["securitySchemes"]) == {"bearer", "session", "password"}
    assert paths["/api/v1/app/boxes"]["get"]["security"] == [{"bearer": []}, {"session": []}, {"password": []}]
    assert paths["/api/v1/admin/boxes"]["get"]["security"]
    assert "security" not in paths["/api/v1/public/boxes/free"]["get"]


def test_optional_headers_are_listed_where_they_are_read(schema: dict[str, Any]) -> None:
    listed = {
        f"{method} {path}": {each["name"] for each in operation.get("parameters", ()) if each["in"] == "header"}
        for path, item in schema["paths"].items()
        for method, operation in item.items()
    }
    assert {name for name, headers in listed.items() if "X-Team-ID" in headers} == {
        "get /api/v1/app/boxes",
        "post /api/v1/app/boxes",
        "get /api/v1/app/boxes/{box_id}",
        "delete /api/v1/app/boxes/{box_id}",
    }
    assert {name for name, headers in listed.items() if "If-Match" in headers} == {"delete /api/v1/app/boxes/{box_id}"}


def test_rate_limits_are_declared_on_limited_routes(schema: dict[str, Any]) -> None:
    paths = schema["paths"]

    assert "X-RateLimit-Limit" in paths["/api/v1/app/boxes"]["get"]["responses"]["200"]["headers"]
    assert "Retry-After" in paths["/api/v1/app/boxes"]["get"]["responses"]["429"]["headers"]
    assert "429" not in paths["/api/v1/public/boxes/free"]["get"]["responses"]


def test_query_model_is_listed_field_by_field(schema: dict[str, Any]) -> None:
    parameters = schema["paths"]["/api/v1/app/boxes"]["get"]["parameters"]
    listed = {each["name"]: each for each in parameters if each["in"] == "query"}

    assert set(listed) == {"q", "sort", "page", "size", "cursor", "limit", "color"}
    assert listed["size"]["schema"]["maximum"] == 100
    assert listed["color"]["description"] == "Only boxes of this color."
    assert schema["components"]["schemas"]["Color"]["enum"] == ["red", "blue"]


def test_document_is_deterministic(build: Build) -> None:
    first, second = (build(boxes, open_boxes, administration, tokens).app.openapi() for _ in range(2))

    assert json.dumps(first) == json.dumps(second)


def test_document_is_rebuilt_when_routes_are_added(build: Build) -> None:
    app = build(boxes).app
    assert "/api/v1/public/boxes/free" not in app.openapi()["paths"]
    app.add([open_boxes])
    assert "/api/v1/public/boxes/free" in app.openapi()["paths"]


def test_document_excludes_pages_and_assets(schema: dict[str, Any]) -> None:
    assert {path.split("/")[1] for path in schema["paths"]} == {"api"}


def test_generated_requests_conform_to_the_document(build: Build) -> None:
    asgi_client = build(boxes, open_boxes, administration, tokens, settings=(HttpSettings(rate_limit_scale=1e6),))
    asgi_client.app.state.authenticator = FakeAuthenticator()
    generated = schemathesis.openapi.from_asgi("/openapi.json", asgi_client.app)

    for operation in generated.get_all_operations():
        _examine(operation.ok())


def _examine(operation: Any) -> None:
    from hypothesis import HealthCheck, given, settings

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    @given(case=operation.as_strategy())
    def examine(case: Any) -> None:
        case.call_and_validate(headers={"Authorization": "Bearer x"})

    examine()
