"""What ids stand for, and how to make such an object that belongs to somebody."""

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
from sqlalchemy import select
from sqlmodel import SQLModel, col

from undercroft.core.db import Session, TenantOwned, tenant, utc_now
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.teams import create_team
from undercroft.testing.people import Person, signed_in

MEANT_FOR_PEOPLE = frozenset({"name", "title", "description", "body", "text", "notes"})


class Owner:
    """Somebody with a team and with objects, every text of which holds `marker`; each is made when it is asked for."""

    def __init__(self, app: Api, person: Person, team_id: UUID, marker: str) -> None:
        self.app = app
        self.person = person
        self.team_id = team_id
        self.marker = marker
        self._made: dict[str, UUID] = {"team_id": team_id, "user_id": person.user_id}

    @classmethod
    async def appear(cls, app: Api) -> "Owner":
        """Somebody new, signed in, owner of a team."""
        marker = f"m{secrets.token_hex(6)}"
        person = await signed_in(app, email=f"{marker}@example.com")
        async with app.state.database.session() as session:
            team = await create_team(session, name=marker, slug=marker, owner_id=person.user_id)
        return cls(app, person, team.id, marker)

    @property
    def ids(self) -> frozenset[UUID]:
        """Their own id and those of everything that is theirs so far."""
        return frozenset({*self._made.values(), self.person.team_id})

    async def object(self, name: str) -> UUID:
        """The id of theirs that this name stands for. Raises `LookupError` when nobody knows what it is."""
        if name not in self._made:
            known = objects | of_tenants()
            if name not in known:
                raise LookupError(name)
            self._made[name] = await known[name](self)
        return self._made[name]

    @asynccontextmanager
    async def session(self) -> AsyncIterator[Session]:
        """A transaction that works for their team."""
        with tenant(self.team_id):
            async with self.app.state.database.session() as session:
                yield session
                await session.flush()


Maker = Callable[[Owner], Awaitable[UUID]]
objects: dict[str, Maker] = {}
"""Names of ids, and how to make what they stand for."""


def stands_for(name: str, model: type[SQLModel], **values: Any) -> None:
    """Let an id of this name stand for a row of this model.

    What the model requires is filled in, keys of users and teams among it; `values` win, and may be functions of the
    `Owner`.
    """

    async def make(owner: Owner) -> UUID:
        row = await _row(model, owner, values)
        async with owner.session() as session:
            session.add(row)
        return row.id  # type: ignore[attr-defined,no-any-return]

    objects[name] = make


def of_tenants() -> dict[str, Maker]:
    """What is known by itself: every model of a team's rows, by its name."""
    return {f"{_snake(model.__name__)}_id": _maker(model) for model in _tables(TenantOwned)}


def _maker(model: type[SQLModel]) -> Maker:
    async def make(owner: Owner) -> UUID:
        row = await _row(model, owner, {})
        async with owner.session() as session:
            session.add(row)
        return row.id  # type: ignore[attr-defined,no-any-return]

    return make


def _tables(base: type[TenantOwned]) -> list[type[SQLModel]]:
    found: list[type[SQLModel]] = []
    for model in base.__subclasses__():
        found += [model] if hasattr(model, "__table__") else []
        found += _tables(model)
    return found


async def _row(model: type[SQLModel], owner: Owner, values: dict[str, Any]) -> SQLModel:
    filled = {name: value(owner) if callable(value) else value for name, value in values.items()}
    for name, field in model.model_fields.items():
        unset = field.default is PydanticUndefined and field.default_factory is None
        if name not in filled and (unset or name in MEANT_FOR_PEOPLE):
            filled[name] = await _value(model, name, owner)
    return model(**filled)


async def _value(model: type[SQLModel], name: str, owner: Owner) -> Any:
    column = model.__table__.c[name]  # type: ignore[attr-defined]
    for key in column.foreign_keys:
        return await owner.object(_of_table(key.column.table.name))
    annotation = _bare(model.model_fields[name].annotation)
    if annotation is str:
        return _text(name, owner.marker, getattr(column.type, "length", None))
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return next(iter(annotation))
    made = {UUID: new_id(), int: 1, float: 1.0, bool: False, bytes: secrets.token_bytes(32), dict: {}, list: []}
    if annotation in made:
        return made[annotation]
    return utc_now() + timedelta(days=7)


def _of_table(table: str) -> str:
    """The name of the id of a table's rows: `team_id` for `teams`, whatever a tenant's model is called."""
    named = {str(model.__tablename__): f"{_snake(model.__name__)}_id" for model in _tables(TenantOwned)}
    return named.get(table) or f"{table.removesuffix('s')}_id"


def _text(name: str, marker: str, length: int | None) -> str:
    if name == "role":
        return "member"
    if "email" in name:
        return f"{marker}.invited@example.com"
    return marker if length is None or length >= len(marker) else secrets.token_hex(length)[:length]


def _bare(annotation: Any) -> Any:
    """`str` for `Annotated[str, …]` and for `str | None`, `list` for `list[str]`."""
    while get_origin(annotation) is not None:
        origin = get_origin(annotation)
        if origin in (list, dict):
            return origin
        arguments = [each for each in get_args(annotation) if each is not type(None)]
        annotation = arguments[0] if origin in (Union, UnionType) or arguments else origin
    return annotation


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


async def _themselves(owner: Owner) -> UUID:
    return owner.person.user_id


async def _own_session(owner: Owner) -> UUID:
    from undercroft.modules.auth.models import AuthSession

    async with owner.app.state.database.reading() as session:
        found = await session.scalar(
            select(col(AuthSession.id)).where(col(AuthSession.user_id) == owner.person.user_id)
        )
    assert isinstance(found, UUID)
    return found


def _declare() -> None:
    """What the product's own ids stand for."""
    from undercroft.modules.api_keys.models import ApiKey
    from undercroft.modules.identities.models import ExternalIdentity
    from undercroft.modules.mfa.models import Passkey
    from undercroft.modules.teams.models import Invitation, OwnRole, Team

    objects["actor"] = _themselves
    objects["session_id"] = _own_session
    stands_for("identity_id", ExternalIdentity, user_id=lambda owner: owner.person.user_id)
    stands_for("deleted_team_id", Team, slug=lambda _: secrets.token_hex(8), deleted_at=lambda _: utc_now())
    stands_for("invitation_id", Invitation)
    stands_for("role_id", OwnRole)
    stands_for("passkey_id", Passkey)
    stands_for("key_id", ApiKey, user_id=lambda owner: owner.person.user_id)


_declare()
