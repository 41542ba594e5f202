"""The rules for extra fields: each violation is one message with the file, the line and the fix."""

import inspect
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import JSON
from sqlmodel import Field, SQLModel

from undercroft.core.crud.extra_fields import Extensible, build_entity_fields
from undercroft.core.db import ExtraFields, utc_now
from undercroft.core.errors import CodeError
from undercroft.modules.projects import Project
from undercroft.modules.teams import Membership, Team
from undercroft.modules.teams.fields import EXTENSIBLE as TEAMS
from undercroft.modules.users import SignUpMethod, User
from undercroft.modules.users.fields import EXTENSIBLE as USERS

ENTITIES: list[Extensible] = [*USERS, *TEAMS]
_number = iter(range(1000))


@pytest.fixture(autouse=True)
def remove_tables() -> Iterator[None]:
    """The tables of classes that are collected as garbage would stay in the metadata of this process."""
    before = set(SQLModel.metadata.tables)
    yield
    for name in set(SQLModel.metadata.tables) - before:
        SQLModel.metadata.remove(SQLModel.metadata.tables[name])


def declare(entity: type, lines: str) -> type[ExtraFields]:
    """Declare fields as the file `fields.py` of one more extension would."""
    names = {
        "SignUpMethod": SignUpMethod,
        "Any": Any,
        "JSON": JSON,
        "ExtraFields": ExtraFields,
        "Field": Field,
        "UUID": UUID,
        "datetime": datetime,
    }
    namespace: dict[str, Any] = {
        **names,
        "__name__": f"rule{next(_number)}.fields",
        "entity": entity,
        "utc_now": utc_now,
    }
    exec(f"class GuestFields(ExtraFields, entity=entity):\n{lines}", namespace)
    return namespace["GuestFields"]  # type: ignore[no-any-return]


BROKEN = [
    (User, "    email: str = Field(default='')\n", "User has email already"),
    (User, "    email_verified: bool = False\n", "User has email_verified already"),
    (User, "    impersonated_by: str = ''\n", "User has impersonated_by already"),
    (User, "    copy: str = ''\n", "User has copy already"),
    (Team, "    role: str = ''\n", "Team has role already"),
    (Team, "    members: int = 0\n", "Team has members already"),
    (User, "    level: str\n", "level of GuestFields has no default"),
    (
        User,
        "    seen: datetime = Field(default_factory=utc_now)\n",
        "The default of seen of GuestFields must be a const",
    ),
    (User, "    api_token: str = ''\n", r'looks like a secret. Set hidden = \("api_token",\)'),
    (
        User,
        "    read_only = ('nigths',)\n    nights: int = 0\n",
        "names nigths, which is not a field of it. Fields: nights",
    ),
    (User, "    hidden = 'nights'\n    nights: int = 0\n", r'must be a tuple: hidden = \("nights",\)'),
    (
        User,
        "    hidden = ('notes',)\n    sortable = ('notes',)\n    notes: str = ''\n",
        "notes of GuestFields is hidden",
    ),
    (User, "    filters = ('tags',)\n    tags: list[str] = Field(default=[], sa_type=JSON)\n", "is no single value"),
    (User, "    filters = ('limit',)\n    limit: int = 0\n", "The lists of User have a parameter limit already"),
    (User, "    sortable = ('nigths',)\n    nights: int = 0\n", "sortable of GuestFields names nigths"),
    (
        User,
        "    team: UUID | None = Field(default=None, foreign_key='teams.id')\n",
        r'refers to another table, .* read_only = \("team",\)',
    ),
    (User, "    method: SignUpMethod = SignUpMethod.INVITATION\n", "would create a type in the database"),
    (Membership, "    nights: int = 0\n", r"Membership cannot have extra fields\. Entities that can: Team, User\."),
    (Project, "    nights: int = 0\n", "Project cannot have extra fields"),
]


@pytest.mark.parametrize(("entity", "lines", "message"), BROKEN, ids=lambda each: str(each)[:40])
@pytest.mark.filterwarnings("ignore:Field name .* shadows an attribute")
def test_broken_rule_is_refused(entity: type, lines: str, message: str) -> None:
    with pytest.raises(CodeError, match=message):
        build_entity_fields(ENTITIES, [declare(entity, lines)])


@pytest.mark.parametrize(
    "lines",
    [
        "    api_token: str = ''\n    hidden = ('api_token',)\n",
        "    team: UUID | None = Field(default=None, foreign_key='teams.id')\n    read_only = ('team',)\n",
        "    nights: int | None = None\n    level: str = Field(default='none')\n",
    ],
)
def test_declaration_that_follows_the_rules_is_accepted(lines: str) -> None:
    declared = declare(User, lines)
    assert build_entity_fields(ENTITIES, [declared])[User].declared == (declared,)


def test_name_that_another_extension_uses_is_refused_for_the_same_entity_only() -> None:
    first, same, other = (declare(entity, "    nights: int = 0\n") for entity in (User, User, Team))
    build_entity_fields(ENTITIES, [first, other])
    with pytest.raises(CodeError, match=rf"GuestFields of {first.__module__} adds nights to User already"):
        build_entity_fields(ENTITIES, [first, same])


def test_second_class_for_the_same_entity_is_refused_at_its_line() -> None:
    def declare_twice() -> None:
        class First(ExtraFields, entity=User):
            nights: int = 0

        class Second(ExtraFields, entity=User):
            days: int = 0

    with pytest.raises(CodeError, match="two classes with fields of User") as raised:
        declare_twice()
    assert_located(raised.value, declare_twice, "class Second")


def test_error_is_located_at_the_field() -> None:
    def declare_field() -> type[ExtraFields]:
        class Located(ExtraFields, entity=Team):
            nights: int = 0
            slug: str = ""

        return Located

    with pytest.raises(CodeError) as raised:
        build_entity_fields(ENTITIES, [declare_field()])
    assert_located(raised.value, declare_field, "slug: str")


def assert_located(error: CodeError, function: Callable[..., Any], text: str) -> None:
    lines, first = inspect.getsourcelines(function)
    expected = next(number for number, line in enumerate(lines, first) if text in line)
    assert error.at == (__file__, expected)
