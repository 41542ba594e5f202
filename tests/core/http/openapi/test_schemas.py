from typing import Any

from pydantic import BaseModel

from tests.core.http.conftest import Build
from undercroft.core.http import Router


class Size(BaseModel):
    width: int = 10


class Shelf(BaseModel):
    name: str = ""
    size: Size = Size()


class Box(BaseModel):
    name: str = ""


class Part(BaseModel):
    name: str = ""


def required(build: Build) -> dict[str, Any]:
    router = Router(surface="public", prefix="/shelves")

    @router.get("/shelf", response_model=Shelf)
    async def read_shelf() -> Shelf:
        return Shelf()

    @router.post("/box", response_model=Box)
    async def create_box(box: Box) -> Box:
        return box

    @router.get("/part", response_model=Part, response_model_exclude_unset=True)
    async def read_part() -> Part:
        return Part()

    schemas = build(router).app.openapi()["components"]["schemas"]
    return {name: schema.get("required", []) for name, schema in schemas.items()}


def test_responses_contain_all_their_properties(build: Build) -> None:
    found = required(build)

    assert (found["Shelf"], found["Size"]) == (["name", "size"], ["width"])


def test_property_with_a_default_stays_optional_in_a_body_and_where_a_route_omits_it(build: Build) -> None:
    found = required(build)

    assert (found["Box"], found["Part"]) == ([], [])
