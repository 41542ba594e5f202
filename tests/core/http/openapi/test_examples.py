from typing import Any
from uuid import UUID

import pytest
from pydantic import BaseModel, Field, TypeAdapter

from undercroft.core.http.openapi.examples import Examples, MissingExample


class Node(BaseModel):
    name: str
    parent: "Node | None" = None
    children: list["Node"] = []


class Bush(BaseModel):
    shoots: list["Bush | Twig"]


class Twig(BaseModel):
    twigs: list["Bush | Twig"]


class Shelf(BaseModel):
    id: UUID
    width: int = Field(ge=10)
    room_id: UUID | None


class Box(BaseModel):
    name: str
    color: str = Field(examples=["red"])
    shelf: Shelf


class MarkedBox(Box):
    model_config = {"json_schema_extra": {"examples": [{"name": "Tools", "shelf": {"width": 70}}]}}


def example_of(annotation: Any) -> Any:
    adapter = TypeAdapter(annotation)
    schema = adapter.json_schema(ref_template="#/components/schemas/{model}")
    value = Examples(schema.pop("$defs", {})).build(schema)
    adapter.validate_python(value)
    return value


def test_object_has_an_example_of_each_property() -> None:
    box = example_of(Box)

    assert box == {"name": "Website", "color": "red", "shelf": box["shelf"]}
    assert box["shelf"]["width"] == 10
    assert UUID(box["shelf"]["id"]).version == 7


def test_example_of_an_object_is_completed_with_its_required_properties() -> None:
    box = example_of(MarkedBox)

    assert (box["name"], box["color"], box["shelf"]["width"]) == ("Tools", "red", 70)
    assert box["shelf"]["room_id"] is None
    assert UUID(box["shelf"]["id"])


def test_recursive_types_end() -> None:
    assert example_of(Node) == {"name": "Website", "parent": None, "children": []}
    assert example_of(Bush) == {"shoots": [{"twigs": []}]}


@pytest.mark.parametrize(
    ("annotation", "expected"),
    [(list[Shelf], 1), (dict[str, int], 1), (dict[str, Any], 0), (list[bool], 1)],
)
def test_containers_have_one_item_of_a_known_type(annotation: Any, expected: int) -> None:
    assert len(example_of(annotation)) == expected


def test_example_of_a_name_is_not_used_for_another_type_or_pattern() -> None:
    class Odd(BaseModel):
        name: int
        email: str = Field(pattern="^[A-Z]+$", default="ADA")
        permissions: list[int]

    assert example_of(Odd) == {"name": 1, "email": "ADA", "permissions": [1]}


def test_text_without_example_is_reported_with_its_path() -> None:
    class Label(BaseModel):
        color: str

    class Labeled(BaseModel):
        labels: list[Label]

    with pytest.raises(MissingExample, match=r"^Label\.color$"):
        example_of(Labeled)
