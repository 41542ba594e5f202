from typing import Annotated

from fastapi import Query
from pydantic import BaseModel, Field

from tests.core.http.conftest import Build
from undercroft.core.http import Router, Tag
from undercroft.core.http.openapi.coverage import find_gaps


class Label(BaseModel):
    color: str


class Described(BaseModel):
    color: str = Field(description="Color in English.", examples=["red"])


def test_missing_descriptions_and_examples_are_found(build: Build) -> None:
    router = Router(surface="public", tag="Labels")

    @router.post("/labels", response_model=Label)
    async def create_label(label: Label, points: int) -> Label:
        return label

    @router.get("/anything")
    async def read_anything() -> None:
        """Return anything."""

    assert list(find_gaps(build(router).app.openapi())) == [
        "POST /api/v1/public/labels: it has no description. Add a docstring to the function.",
        'POST /api/v1/public/labels: the parameter points has no description. Add Field(description="…").',
        "POST /api/v1/public/labels: the request body has no example of Label.color. Add Field(examples=[…]).",
        "POST /api/v1/public/labels: the response 200 has no example of Label.color. Add Field(examples=[…]).",
        (
            "GET /api/v1/public/anything: the response 200 has no example of application/json. "
            "Declare response_model, or an example in responses."
        ),
        'Label.color has no description. Add Field(description="…").',
        'The tag Labels has no description. Add Tag("Labels", "…").',
    ]


def test_described_routes_have_no_gaps(build: Build) -> None:
    router = Router(surface="public", tag=Tag("Labels", "Labels of boxes."))

    @router.post("/labels/{label_id}", response_model=Described)
    async def create_label(
        label: Described, label_id: int, size: Annotated[int | None, Query(description="Size in points.")] = None
    ) -> Described:
        """Create a label."""
        return label

    document = build(router).app.openapi()
    assert list(find_gaps(document)) == []
    operation = document["paths"]["/api/v1/public/labels/{label_id}"]["post"]
    assert operation["requestBody"]["content"]["application/json"]["example"] == {"color": "red"}
    assert operation["responses"]["200"]["content"]["application/json"]["example"] == {"color": "red"}
    assert operation["parameters"][0]["description"] == "ID of the label."


def test_unions_in_responses_are_found_but_not_in_bodies(build: Build) -> None:
    class Plain(BaseModel):
        name: str | None = Field(description="Name.", examples=["a"])

    class Mixed(BaseModel):
        size: int | str = Field(description="Size.", examples=[1])

    class Sent(BaseModel):
        size: int | str = Field(description="Size.", examples=[1])

    router = Router(surface="public", tag=Tag("Labels", "Labels of boxes."))

    @router.post("/labels", response_model=Plain | Mixed)
    async def create_label(label: Sent) -> Plain:
        """Create a label."""
        return Plain(name="a")

    assert list(find_gaps(build(router).app.openapi())) == [
        "POST /api/v1/public/labels: the response 200 is a union. Return one schema.",
        "Mixed.size is a union. Use one type, or a field for each.",
    ]
