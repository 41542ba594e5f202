"""Tags of the API documentation, each with a description and a group.

PROJECTS = Tag("Projects", "Projects of a team.", group="Product")
router = Router(surface="app", prefix="/projects", tag=PROJECTS)
"""

from collections.abc import Iterable, Sequence
from typing import Any

from fastapi.routing import APIRoute

DEFAULT_GROUP = "More"


class Tag(str):
    """The name of a tag, as FastAPI expects it, with its description."""

    __slots__ = ("description", "group")

    description: str
    group: str

    def __new__(cls, name: str, description: str = "", *, group: str = DEFAULT_GROUP) -> "Tag":
        tag = super().__new__(cls, name)
        tag.description = description
        tag.group = group
        return tag


def described_tags(routes: Iterable[APIRoute]) -> dict[str, Tag]:
    """Return the described tags of these routes by name."""
    return {tag: tag for route in routes for tag in route.tags if isinstance(tag, Tag)}


def build_tags(routes: Sequence[APIRoute]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """OpenAPI's `tags` and `x-tagGroups` for these routes, in the order of their first use."""
    tags: list[dict[str, Any]] = []
    groups: dict[str, list[str]] = {}
    described = described_tags(routes)
    for name in dict.fromkeys(str(tag) for route in routes for tag in route.tags):
        tag = described.get(name)
        description = tag.description if tag else ""
        tags.append({"name": name, **({"description": description} if description else {})})
        groups.setdefault(tag.group if tag else DEFAULT_GROUP, []).append(name)
    return tags, [{"name": group, "tags": members} for group, members in groups.items()]
