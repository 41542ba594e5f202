"""Query parameters that are read as one model."""

from typing import Annotated

import pytest
from pydantic import BaseModel

from tests.core.http.conftest import Build
from undercroft.core.http import Router
from undercroft.core.http.query import query


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
