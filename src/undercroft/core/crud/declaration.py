"""Checks the declaration of a resource and derives what it leaves out."""

import re
from typing import Any

import msgspec
from sqlmodel import SQLModel

from undercroft.core.auth.permissions import Permission
from undercroft.core.crud.repository import CrudRepository
from undercroft.core.crud.resource import Resource, RowEvent
from undercroft.core.crud.schemas import build_create_schema, build_read_schema, build_update_schema
from undercroft.core.db import CreatedAt, TenantOwned
from undercroft.core.db.extra_fields import table_of
from undercroft.core.errors import CodeError, NotFound
from undercroft.core.model_classes import SECRET_NAME

SYSTEM_COLUMNS = ("team_id", "created_by", "created_at", "updated_at", "version")
"""Columns that the resource sets, shown after all others."""
NEVER_WRITABLE = {"id", "deleted_at", *SYSTEM_COLUMNS}
COLUMN_OPTIONS = ("searchable", "sortable", "filters", "read_only", "hidden", "admin_columns")
EVENTS = ("Created", "Changed", "Deleted", "Restored")


def complete(resource: type[Resource[Any]]) -> None:
    """Complete a resource when its class is defined. Raises `CodeError` for an invalid declaration."""
    _check(resource)
    model: Any = resource.model
    words = re.sub(r"(?<!^)(?=[A-Z])", "_", model.__name__).lower()
    resource.noun = resource.noun or words
    resource.plural = resource.plural or pluralize(resource.noun)
    unwritable = {*NEVER_WRITABLE, *resource.read_only, *resource.hidden}
    writable = [name for name in model.model_fields if name not in unwritable]
    _derive(resource, writable)
    resource.references = frozenset(name for name in writable if table_of(model).c[name].foreign_keys)
    resource.defaults = tuple(
        name
        for name, field in model.model_fields.items()
        if name not in resource.create_schema.model_fields and name not in NEVER_WRITABLE and not field.is_required()
    )
    for event in EVENTS:
        setattr(resource, event, msgspec.defstruct(f"{model.__name__}{event}", [], bases=(RowEvent,), frozen=True))


def build_permissions(resource: type[Resource[Any]]) -> tuple[Permission, Permission]:
    """The permissions to read and to write."""
    things = resource.plural.replace("_", " ")
    return (
        Permission(f"{resource.plural}:read", f"View the team's {things}.", resource.readers),
        Permission(f"{resource.plural}:write", f"Create, change and delete the team's {things}.", resource.writers),
    )


def _derive(resource: type[Resource[Any]], writable: list[str]) -> None:
    model: Any = resource.model
    own = [name for name in model.model_fields if name not in {*NEVER_WRITABLE, *resource.hidden}]
    system = [name for name in SYSTEM_COLUMNS if name in model.model_fields]
    if not hasattr(resource, "create_schema"):
        resource.create_schema = build_create_schema(model, writable, resource.example)
    if not hasattr(resource, "update_schema"):
        resource.update_schema = build_update_schema(model, resource.create_schema, resource.example)
    if not hasattr(resource, "read_schema"):
        resource.read_schema = build_read_schema(model, ["id", *own, *system])
    if not hasattr(resource, "not_found"):
        thing = resource.noun.replace("_", " ").capitalize()
        error = {"code": f"{resource.noun.upper()}_NOT_FOUND", "message": f"{thing} not found.", "__module__": __name__}
        resource.not_found = type(f"{model.__name__}NotFound", (NotFound,), error)
    base = getattr(resource, "repository", CrudRepository)
    options = {
        "model": model,
        "columns": tuple(name for name in resource.read_schema.model_fields if name in model.model_fields),
        **{name: getattr(resource, name) for name in ("not_found", "searchable", "sortable")},
    }
    resource.repository = type(base.__name__, (base,), {"__module__": __name__, **options})


def _check(resource: type[Resource[Any]]) -> None:
    model: Any = resource.model
    name = resource.__name__
    if not (issubclass(model, TenantOwned) and issubclass(model, CreatedAt) and hasattr(model, "__table__")):
        raise CodeError(
            f"The model of {name} must be a table of a team's rows: class {model.__name__}(TenantOwned, Timestamped, "
            "table=True).",
            at=resource,
        )
    if not (resource.readers and resource.writers):
        raise CodeError(
            f"{name} grants its permissions to no role. Set readers and writers, such as readers, writers = ALL_ROLES, "
            "WRITERS.",
            at=resource,
        )
    for option in COLUMN_OPTIONS:
        _check_columns(resource, model, option)
    queried = {*resource.searchable, *resource.sortable, *resource.filters}
    if seen := next((name for name in sorted(resource.hidden) if name in queried), None):
        raise CodeError(
            f"{seen} of {name} is hidden, but clients could find out its values by a search, filter or sort order. "
            "Remove it from one of the options.",
            at=resource,
        )
    shown = model.model_fields.keys() - {*resource.hidden}
    if secret := next((field for field in sorted(shown) if SECRET_NAME.search(field)), None):
        raise CodeError(f"{name} would show {secret}, which looks like a secret. Add it to hidden.", at=resource)


def _check_columns(resource: type[Resource[Any]], model: type[SQLModel], option: str) -> None:
    named = getattr(resource, option)
    if isinstance(named, str):
        raise CodeError(f'{option} of {resource.__name__} must be a tuple: {option} = ("{named}",).', at=resource)
    for name in named:
        if name not in model.model_fields:
            columns = ", ".join(model.model_fields)
            raise CodeError(
                f"{option} of {resource.__name__} names {name}, which is not a column of {model.__name__}. Columns: "
                f"{columns}.",
                at=resource,
            )


def pluralize(noun: str) -> str:
    """The plural of a noun, by the regular rules of English."""
    if noun.endswith("y") and noun[-2:-1] not in "aeiou":
        return f"{noun[:-1]}ies"
    return f"{noun}es" if noun.endswith(("s", "x", "ch", "sh")) else f"{noun}s"
