"""Tags of the API documentation, each with a description and a group.

PROJECTS = Tag("Projects", "Projects of a team.", group="Product")
router = Router(surface="app", prefix="/projects", tag=PROJECTS)
"""

from typing import Any

DEFAULT_GROUP = "More"


class Tag(str):
    """The name of a tag, as FastAPI expects it. Creating a tag registers it; the last one with a name wins."""

    __slots__ = ("description", "group")

    description: str
    group: str

    def __new__(cls, name: str, description: str = "", *, group: str = DEFAULT_GROUP) -> "Tag":
        tag = super().__new__(cls, name)
        tag.description = description
        tag.group = group
        _registered[name] = tag
        return tag


_registered: dict[str, Tag] = {}


def get_tag_names() -> set[str]:
    """The names of all registered tags."""
    return set(_registered)


def build_tags(names: list[str]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """OpenAPI's `tags` and `x-tagGroups` for these names, in the order of their first use."""
    tags: list[dict[str, Any]] = []
    groups: dict[str, list[str]] = {}
    for name in dict.fromkeys(names):
        tag = _registered.get(name)
        description = tag.description if tag else ""
        tags.append({"name": name, **({"description": description} if description else {})})
        groups.setdefault(tag.group if tag else DEFAULT_GROUP, []).append(name)
    return tags, [{"name": group, "tags": members} for group, members in groups.items()]
