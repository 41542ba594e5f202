import json
from enum import StrEnum
from typing import Annotated, Any
from uuid import UUID

import pytest
import schemathesis
from fastapi import Form, Header
from pydantic import BaseModel, Field
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from tests.core.http.conftest import Build
from tests.enabled import is_enabled
from undercroft.core.auth import Authenticator, PlatformRole, Principal
from undercroft.core.db import RowPage
from undercroft.core.errors import NotFound, Unauthorized
from undercroft.core.http import Router
from undercroft.core.http.conditional import IfMatch
from undercroft.core.http.pagination import ListQuery, Page
from undercroft.core.http.query import query
from undercroft.core.http.settings import HttpSettings
from undercroft.core.http.tags import Tag
from undercroft.core.ids import new_id
from undercroft.core.modules import RequestHeaders, SecuritySchemes
from undercroft.core.settings import CoreSettings
from undercroft.modules.sessions import MODULE


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


SCHEMES: dict[str, dict[str, Any]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "password": {
        "type": "oauth2",
        "flows": {"password": {"tokenUrl": "https://box.test/in/api/v1/auth/token", "scopes": {}}},
    },
    "elsewhere": {
        "type": "oauth2",
        "flows": {"password": {"tokenUrl": "https://box.test/api/v1/auth/other", "scopes": {}}},
    },
}
BOXES = Tag("Boxes", "Containers of things.", group="Storage")
boxes = Router(surface="app", prefix="/boxes", tag=BOXES)
open_boxes = Router(surface="public", prefix="/boxes", tag="Windows")
administration = Router(surface="admin", prefix="/boxes", tag=BOXES)
tokens = Router(surface="auth", tag="Signing in")


@boxes.get("", response_model=Page[Box], summary="List boxes")
async def list_boxes(query: Annotated[BoxQuery, query(BoxQuery)]) -> Any:
    return Page[Box].of(RowPage([], query.paging, 0), Box.model_validate)


@boxes.post("", status_code=201, summary="Make a box")
async def create_box(box: Box, x_color: Annotated[str | None, Header(max_length=10)] = None) -> Box:
    return box


class BoxLost(NotFound):
    code = "BOX_LOST"
    message = "The box is lost."


@boxes.get("/{box_id}", summary="Read a box", errors=(BoxNotFound, BoxLost))
async def read_box(box_id: UUID) -> Box:
    raise BoxNotFound


@boxes.post("/{box_id}/label", status_code=204, summary="Label a box")
async def label_box(box_id: UUID, box: Box | None = None) -> None:
    return None


@boxes.delete("/{box_id}", status_code=204, summary="Remove a box")
async def delete_box(box_id: UUID, versions: IfMatch) -> None:
    return None


@open_boxes.get("/free", limit=None, summary="Count boxes")
async def count_boxes() -> int:
    return 3


@administration.get("", summary="All boxes")
async def all_boxes() -> list[Box]:
    return []


@tokens.post("/token", summary="Sign in")
async def token(username: Annotated[str, Form(min_length=1)], password: Annotated[str, Form(min_length=1)]) -> str:
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
    app = build(boxes, open_boxes, administration, tokens).app
    app.context.add(SecuritySchemes, SecuritySchemes(SCHEMES))
    app.context.add(RequestHeaders, RequestHeaders(MODULE.request_headers))
    return app.openapi()


def test_document_is_valid_openapi_3_1(schema: dict[str, Any]) -> None:
    assert [str(error) for error in OPENAPI_31_VALIDATOR.iter_errors(schema)] == []


def test_tags_are_grouped(schema: dict[str, Any]) -> None:
    assert schema["x-tagGroups"][0] == {"name": "Storage", "tags": ["Boxes"]}
    assert {"name": "Boxes", "description": "Containers of things."} in schema["tags"]
    assert {tag for group in schema["x-tagGroups"] for tag in group["tags"]} == {tag["name"] for tag in schema["tags"]}


def test_headers_of_requests_are_optional(schema: dict[str, Any]) -> None:
    parameters = [
        parameter
        for path in schema["paths"].values()
        for operation in path.values()
        for parameter in operation.get("parameters", ())
        if parameter["in"] == "header"
    ]
    assert {each["name"] for each in parameters} >= {
        "X-Team-ID",
        "If-Match",
        *(["Idempotency-Key"] if is_enabled("idempotency") else []),
    }
    assert [each["name"] for each in parameters if each["required"]] == []


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
    examples = read["404"]["content"]["application/json"]["examples"]
    assert examples.keys() == {"BOX_NOT_FOUND", "BOX_LOST"}
    name = examples["BOX_NOT_FOUND"]["$ref"].removeprefix("#/components/examples/")
    error = schema["components"]["examples"][name]["value"]["error"]
    assert error == {"code": "BOX_NOT_FOUND", "message": "There is no such box.", "details": None}


def test_security_of_operations_is_declared(schema: dict[str, Any]) -> None:
    paths = schema["paths"]

    assert set(schema["components"]["securitySchemes"]) == {"bearer", "password"}
    assert paths["/api/v1/app/boxes"]["get"]["security"] == [{"bearer": []}, {"password": []}]
    assert paths["/api/v1/admin/boxes"]["get"]["security"]
    assert paths["/api/v1/public/boxes/free"]["get"]["security"] == []


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
        "post /api/v1/app/boxes/{box_id}/label",
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
    assert listed["color"]["schema"] == {"$ref": "#/components/schemas/Color"}
    assert listed["sort"]["schema"]["enum"] == ["created_at", "-created_at", "name", "-name"]
    assert not [name for name, each in listed.items() if "null" in json.dumps(each)]
    assert schema["components"]["schemas"]["Color"]["enum"] == ["red", "blue"]


def test_optional_body_is_not_null(schema: dict[str, Any]) -> None:
    body = schema["paths"]["/api/v1/app/boxes/{box_id}/label"]["post"]["requestBody"]

    assert body["content"]["application/json"]["schema"]["$ref"] == "#/components/schemas/Box"
    assert not body.get("required")


def test_document_names_the_server_and_its_operator(build: Build) -> None:
    settings = CoreSettings(public_url="https://box.test/in", app_name="Boxes", api_license="Apache-2.0")
    document = build(boxes, settings=(settings,)).app.openapi()

    assert document["servers"] == [{"url": "https://box.test/in", "description": "Boxes"}]
    assert document["info"]["contact"] == {"name": "Boxes", "url": "https://box.test/in"}
    assert document["info"]["license"] == {"name": "Apache-2.0", "identifier": "Apache-2.0"}
    assert "license" not in build(boxes, settings=(CoreSettings(),)).app.openapi()["info"]


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
    asgi_client.app.context.add(Authenticator, FakeAuthenticator())
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
