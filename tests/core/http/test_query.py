"""Query parameters that are read as one model."""

from typing import Annotated, ClassVar

import pytest
from fastapi import Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field

from tests.core.http.conftest import Build, Configure
from undercroft.core.http import Router
from undercroft.core.http.query import build_parameters, query


class BoxQuery(BaseModel):
    tags: list[str] = []
    sizes: set[int] | None = None
    colors: Annotated[tuple[str, ...], "documented"] = ()
    name: str | None = None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (b"", {"tags": [], "sizes": None, "colors": [], "name": None}),
        (b"tags=a&tags=b", {"tags": ["a", "b"]}),
        (b"sizes=1&sizes=2&sizes=2", {"sizes": [1, 2]}),
        (b"colors=red&colors=blue", {"colors": ["red", "blue"]}),
        (b"tags=a&sizes=1", {"tags": ["a"], "sizes": [1]}),
        (b"name=a&name=b", {"name": "b"}),
    ],
)
async def test_repeated_parameter_is_a_list_if_its_field_is_one(build: Build, sent: bytes, expected: dict) -> None:
    router = Router(surface="public", prefix="/boxes")

    @router.get("")
    async def list_boxes(query: Annotated[BoxQuery, query(BoxQuery)]) -> BoxQuery:
        return query

    response = await build(router).get("/api/v1/public/boxes", query=sent)
    assert response.json == response.json | expected


async def test_error_names_the_parameter_without_its_value(build: Build, configure: Configure) -> None:
    read = query(BoxQuery).dependency
    with pytest.raises(RequestValidationError) as refused:
        await read(Request({"type": "http", "query_string": b"sizes=secret&name=a"}))
    (error,) = refused.value.errors()
    assert (error["loc"][:2], error["type"]) == (("query", "sizes"), "int_parsing")
    assert "secret" not in repr({**error, "msg": ""})


def test_documented_parameter_is_required_if_its_field_is() -> None:
    class RoomQuery(BaseModel):
        sortable: ClassVar[tuple[str, ...]] = ("name",)

        floor: int = Field(description="Floor of the room.")
        sort: str | None = None

    parameters, _ = build_parameters(RoomQuery)
    assert [(each["name"], each["in"], each["required"]) for each in parameters] == [
        ("floor", "query", True),
        ("sort", "query", False),
    ]
    assert parameters[0]["description"] == "Floor of the room."
    assert "description" not in parameters[0]["schema"]
    assert parameters[1]["schema"]["enum"] == ["name", "-name"]
