"""Permissions that modules declare and roles in a team are granted."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct


class TeamRole(StrEnum):
    """What somebody is in a team, strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


BUILT_IN_ROLES = frozenset(role.value for role in TeamRole)
ALL_ROLES = frozenset(TeamRole)
WRITERS = frozenset({TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER})
ADMINS = frozenset({TeamRole.OWNER, TeamRole.ADMIN})
OWNERS = frozenset({TeamRole.OWNER})


class Permission(Struct, frozen=True):
    """`name` is `things:verb`; `roles` are those that have it out of the box.

    A `reserved` one belongs to these roles alone: a team cannot grant it to roles of its own.
    """

    name: str
    description: str
    roles: frozenset[TeamRole]
    reserved: bool = False


_NAME = re.compile(r"[a-z][a-z0-9_]*(-[a-z0-9_]+)*:[a-z][a-z0-9_]*(-[a-z0-9_]+)*")
_registry: dict[str, Permission] = {}


def register_permissions(permissions: Iterable[Permission]) -> None:
    """Make permissions known.

    Raises `ValueError` for a name that is not `things:verb`, and for one declared twice with different meanings.
    """
    for permission in permissions:
        if not _NAME.fullmatch(permission.name):
            raise ValueError(f"The permission {permission.name!r} is not named things:verb, in lower case.")
        if _registry.setdefault(permission.name, permission) != permission:
            raise ValueError(f"The permission {permission.name} is declared twice.")
    get_builtin_role_permissions.cache_clear()
    get_granted_permissions.cache_clear()


def list_permissions() -> list[Permission]:
    """All permissions, by name."""
    return sorted(_registry.values(), key=lambda permission: permission.name)


@lru_cache(maxsize=64)
def get_builtin_role_permissions(role: str) -> frozenset[str]:
    """The names of the permissions that one of the built-in roles has; none for a name that is not one of theirs."""
    return frozenset(permission.name for permission in _registry.values() if role in permission.roles)


@lru_cache(maxsize=4096)
def get_granted_permissions(names: str) -> frozenset[str]:
    """What a team's own role may do that was granted these names, separated by spaces.

    Names that are not declared any more, or reserved, grant nothing.
    """
    known = (_registry.get(name) for name in names.split())
    return frozenset(permission.name for permission in known if permission is not None and not permission.reserved)


def resolve_permissions(role: str, grants: str | None) -> frozenset[str]:
    """What somebody in this role may do; `grants` are the names that a team's own role was granted, else None."""
    return get_builtin_role_permissions(role) if grants is None else get_granted_permissions(grants)
