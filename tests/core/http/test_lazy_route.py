"""Routes that are completed on their first use."""

from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Query
from pydantic import BaseModel
from starlette.responses import PlainTextResponse, Response

from tests.core.http.conftest import Build
from undercroft.core.errors import CodeError
from undercroft.core.http import Router
from undercroft.core.http.lazy_route import LazyRoute

if TYPE_CHECKING:
    from pathlib import Path as Unimported


class Box(BaseModel):
    name: str


class Opaque:
    """A class that has no JSON schema."""


async def unusable_response() -> Opaque:
    return Opaque()


async def parameter_in_query(box_id: Annotated[str, Query()]) -> None: ...


async def unimported_body(body: "list[Unimported]") -> None: ...


def route_of(endpoint: Any, path: str = "/boxes", **options: Any) -> Any:
    router = Router(surface="public")
    router.add_api_route(path, endpoint, **options)
    return router.routes[0]


@pytest.mark.parametrize(
    ("endpoint", "path", "options", "reason"),
    [
        (unusable_response, "/boxes", {}, "Invalid args for response field!"),
        (parameter_in_query, "/boxes/{box_id}", {}, "Cannot use `Query` for path param 'box_id'"),
        (unimported_body, "/boxes", {"methods": ["POST"]}, r"not defined\. Import it where the route is declared\.$"),
    ],
)
def test_invalid_declaration_names_the_path_and_the_function(
    endpoint: Any, path: str, options: Any, reason: str
) -> None:
    with pytest.raises(CodeError, match=reason) as error:
        route_of(endpoint, path, **options).complete()
    assert str(error.value).startswith(f"/api/v1/public{path}: ")
    assert "\n" not in str(error.value)
    assert error.value.at is endpoint


def test_completed_route_is_not_completed_again() -> None:
    route = route_of(unusable_response, response_model=Box)
    assert isinstance(route, LazyRoute)
    route.complete()
    field = route.response_field
    route.complete()
    assert route.response_field is field


def test_route_has_no_other_attributes() -> None:
    with pytest.raises(AttributeError, match="zzz"):
        _ = route_of(unusable_response, response_model=Box).zzz


async def test_response_is_sent_although_its_type_is_not_imported(build: Build) -> None:
    async def respond() -> "Unimported":
        response: Any = PlainTextResponse("sent")
        return response

    router = Router(surface="public")
    router.get("/own", response_model=None, response_class=Response)(respond)
    assert (await build(router).get("/api/v1/public/own")).body == b"sent"
