"""The OpenAPI document declares exactly the path parameters of each path, with types."""

import re

import pytest
from fastapi.routing import APIRoute

from undercroft.app.api import offline_app

PARAMETER = re.compile(r"{(\w+)")


def operations() -> list[tuple[str, str]]:
    routes = [route for route in offline_app().routes if isinstance(route, APIRoute) and route.include_in_schema]
    return [(route.path_format, method.lower()) for route in routes for method in sorted(route.methods or ())]


@pytest.fixture(scope="module")
def document() -> dict[str, dict[str, dict[str, object]]]:
    paths: dict[str, dict[str, dict[str, object]]] = offline_app().openapi()["paths"]
    return paths


@pytest.mark.parametrize(("path", "method"), operations())
def test_every_path_parameter_is_declared_in_openapi(
    document: dict[str, dict[str, dict[str, object]]], path: str, method: str
) -> None:
    listed: list[dict[str, object]] = document[path][method].get("parameters", [])  # type: ignore[assignment]
    declared = {str(each["name"]): each for each in listed if each["in"] == "path"}
    assert sorted(declared) == sorted(PARAMETER.findall(path))
    for each in declared.values():
        assert each["required"] is True
        assert {"type", "$ref", "enum", "anyOf"} & set(each["schema"])  # type: ignore[call-overload]
    names = [(each["in"], each["name"]) for each in listed]
    assert len(names) == len(set(names)), names


def test_operations_with_parameters_are_among_those_checked() -> None:
    assert sum(bool(PARAMETER.search(path)) for path, _ in operations()) > 20
