"""Maps names of IDs to models, and creates objects that belong to an owner."""

import re
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from enum import Enum
from types import UnionType
from typing import Any, Union, get_args, get_origin
from uuid import UUID

from pydantic_core import PydanticUndefined
from sqlmodel import SQLModel

from undercroft.app.registry import Registry
from undercroft.core.context import use_context
from undercroft.core.db import Database, Session, TenantOwned, tenant, utc_now
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.model_classes import model_classes
from undercroft.modules.teams import create_team
from undercroft.testing.users import SignedInUser, create_signed_in_user

TEXT_FIELDS = frozenset({"name", "title", "description", "body", "text", "notes"})


class Owner:
    """A user with a team and objects. All texts contain `marker`; each object is created when it is first needed."""

    def __init__(self, app: Api, person: SignedInUser, team_id: UUID, marker: str) -> None:
        self.app = app
        self.person = person
        self.team_id = team_id
        self.marker = marker
        self._ids_by_name: dict[str, UUID] = {"team_id": team_id, "user_id": person.user_id}

    @classmethod
    async def create(cls, app: Api) -> "Owner":
        """Create a signed-in user who owns a new team."""
        marker = f"m{secrets.token_hex(6)}"
        person = await create_signed_in_user(app, email=f"{marker}@example.com")
        async with app.context.get(Database).session() as session:
            team = await create_team(session, name=marker, slug=marker, owner_id=person.user_id)
        return cls(app, person, team.id, marker)

    @property
    def ids(self) -> frozenset[UUID]:
        """The IDs of the user and of all objects created so far."""
        return frozenset({*self._ids_by_name.values(), self.person.team_id})

    async def get_object_id(self, name: str) -> UUID:
        """Return the ID of the owner's object for this name. Raises `LookupError` if the name is unknown."""
        if name not in self._ids_by_name:
            known = list_id_factories(self.app)
            if name not in known:
                raise LookupError(name)
            self._ids_by_name[name] = await known[name](self)
        return self._ids_by_name[name]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """Open a transaction in the tenant context of the owner's team."""
        with tenant(self.team_id):
            async with self.app.context.get(Database).session() as session:
                yield session
                await session.flush()


IdFactory = Callable[[Owner], Awaitable[UUID]]


def new_row(model: type[SQLModel], **values: Any) -> IdFactory:
    """Return a factory that inserts a row of this model and returns its ID.

    Required fields are filled in, including foreign keys to users and teams. `values` override them and may be
    functions of the `Owner`.
    """

    async def make(owner: Owner) -> UUID:
        row = await _build_row(model, owner, values)
        async with owner.session() as session:
            session.add(row)
        return row.id  # type: ignore[attr-defined,no-any-return]

    return make


def list_id_factories(app: Api) -> dict[str, IdFactory]:
    """Return the factories by the name of their ID: those of all `TenantOwned` models, and `IDS` in `testing.py`."""
    with use_context(app.context):
        found = {f"{_snake(model.__name__)}_id": new_row(model) for model in model_classes(TenantOwned)}
    for part in app.context.get(Registry).parts("testing"):
        found |= getattr(part, "IDS", {})
    return found


async def _build_row(model: type[SQLModel], owner: Owner, values: dict[str, Any]) -> SQLModel:
    filled = {name: value(owner) if callable(value) else value for name, value in values.items()}
    for name, field in model.model_fields.items():
        unset = field.default is PydanticUndefined and field.default_factory is None
        if name not in filled and (unset or name in TEXT_FIELDS):
            filled[name] = await _build_value(model, name, owner)
    return model(**filled)


async def _build_value(model: type[SQLModel], name: str, owner: Owner) -> Any:
    column = model.__table__.c[name]  # type: ignore[attr-defined]
    for key in column.foreign_keys:
        return await owner.get_object_id(_id_name_of_table(key.column.table.name))
    annotation = _unwrap_annotation(model.model_fields[name].annotation)
    if annotation is str:
        return _build_text(name, owner.marker, getattr(column.type, "length", None))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    made = {UUID: new_id(), int: 1, float: 1.0, bool: False, bytes: secrets.token_bytes(32), dict: {}, list: []}
    if annotation in made:
        return made[annotation]
    return utc_now() + timedelta(days=7)


def _id_name_of_table(table: str) -> str:
    """Return the ID name of a table: that of its tenant model, or the singular of the table, such as `team_id`."""
    named = {str(model.__tablename__): f"{_snake(model.__name__)}_id" for model in model_classes(TenantOwned)}
    return named.get(table) or f"{table.removesuffix('s')}_id"


def _build_text(name: str, marker: str, length: int | None) -> str:
    if name == "role":
        return "member"
    if "email" in name:
        return f"{marker}.invited@example.com"
    return marker if length is None or length >= len(marker) else secrets.token_hex(length)[:length]


def _unwrap_annotation(annotation: Any) -> Any:
    """Return `str` for `Annotated[str, …]` and `str | None`, and `list` for `list[str]`."""
    while get_origin(annotation) is not None:
        origin = get_origin(annotation)
        if origin in (list, dict):
            return origin
        arguments = [each for each in get_args(annotation) if each is not type(None)]
        annotation = arguments[0] if origin in (Union, UnionType) or arguments else origin
    return annotation


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
