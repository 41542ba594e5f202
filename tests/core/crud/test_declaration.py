"""What a resource derives from its table, and mistakes in its declaration."""

from typing import Any

import pytest
from sqlmodel import Field, SQLModel

from undercroft.core.crud import Resource
from undercroft.core.crud.declaration import build_permissions, complete
from undercroft.core.db import TenantOwned, Timestamped
from undercroft.core.errors import CodeError
from undercroft.modules.projects.models import Project
from undercroft.modules.projects.resources import ProjectResource

ROLES = frozenset({"member"})


def declare(**options: Any) -> type[Resource[Project]]:
    return type("Projects", (Resource,), {"model": Project, "readers": ROLES, "writers": ROLES, **options})


def test_names_are_derived_from_the_model() -> None:
    resource = declare()
    assert (resource.noun, resource.plural, resource.path()) == ("project", "projects", "/projects")
    assert resource.not_found.code == "PROJECT_NOT_FOUND"
    assert [permission.name for permission in build_permissions(resource)] == ["projects:read", "projects:write"]


@pytest.mark.parametrize(
    ("noun", "plural"),
    [("box", "boxes"), ("company", "companies"), ("day", "days"), ("line_item", "line_items"), ("bus", "buses")],
)
def test_plural_is_formed_of_the_noun(noun: str, plural: str) -> None:
    assert declare(noun=noun).plural == plural


def test_clients_set_only_the_columns_of_the_entity_itself() -> None:
    own = ["name", "description", "status"]
    assert list(ProjectResource.create_schema.model_fields) == own
    assert list(ProjectResource.update_schema.model_fields) == own
    system = ["team_id", "created_by", "created_at", "updated_at", "version"]
    assert list(ProjectResource.read_schema.model_fields) == ["id", *own, *system]


def test_read_only_and_hidden_columns_are_left_out() -> None:
    resource = declare(read_only=("status",), hidden=("description",))
    assert list(resource.create_schema.model_fields) == ["name"]
    assert {"status", "description"} & resource.read_schema.model_fields.keys() == {"status"}
    assert resource.defaults == ("description", "status")


def test_update_has_no_default_that_would_overwrite_a_value() -> None:
    schema = ProjectResource.update_schema
    assert schema.model_validate({"status": "done"}).model_dump(exclude_unset=True) == {"status": "done"}
    properties = schema.model_json_schema()["properties"]
    assert [name for name, each in properties.items() if "default" in each] == []
    assert "required" not in schema.model_json_schema()


class NoTable(TenantOwned, Timestamped):
    name: str


class WithoutTeam(SQLModel):
    id: int = Field(primary_key=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model": NoTable}, "must be a table of a team's rows"),
        ({"model": WithoutTeam}, "must be a table of a team's rows"),
        ({"readers": frozenset()}, "grants its permissions to no role"),
        ({"writers": frozenset()}, "grants its permissions to no role"),
        ({"sortable": ("title",)}, "sortable of Projects names title, which is not a column of Project. Columns: "),
        ({"filters": ("owner",)}, "filters of Projects names owner"),
        ({"hidden": ("name",), "searchable": ("name",)}, "name of Projects is hidden, but clients could find out"),
        ({"hidden": ("status",), "filters": ("status",)}, "status of Projects is hidden"),
        ({"searchable": "name"}, 'searchable of Projects must be a tuple: searchable = ("name",).'),
    ],
)
def test_mistake_is_reported_with_the_class_and_the_fix(options: dict[str, Any], message: str) -> None:
    with pytest.raises(CodeError) as refused:
        declare(**options)
    assert message in str(refused.value)
    assert refused.value.at.__name__ == "Projects"


def test_column_named_like_a_secret_must_be_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    resource = declare()
    monkeypatch.setitem(Project.model_fields, "token_hash", Project.model_fields["name"])
    with pytest.raises(CodeError, match="would show token_hash, which looks like a secret"):
        complete(resource)
