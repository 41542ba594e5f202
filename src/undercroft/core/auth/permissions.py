"""Permissions that modules declare and that team roles are granted."""

import re
from collections.abc import Iterable
from enum import StrEnum
from functools import lru_cache

from msgspec import Struct


class TeamRole(StrEnum):
    """The built-in roles in a team, strongest first."""

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
    """`name` is `things:verb`; `roles` are the built-in roles that have it.

    A `reserved` permission belongs to these roles only: a team cannot grant it to its custom roles.
    """

    name: str
    description: str
    roles: frozenset[TeamRole]
    reserved: bool = False


_NAME = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*")
_registry: dict[str, Permission] = {}


def register_permissions(permissions: Iterable[Permission]) -> None:
    """Register permissions.

    Raises `ValueError` if a name is not `things:verb`, or if it is declared twice with different definitions.
    """
    for permission in permissions:
        if not _NAME.fullmatch(permission.name):
            raise ValueError(f"The permission {permission.name!r} must be named things:verb, in lowercase.")
        if _registry.setdefault(permission.name, permission) != permission:
            raise ValueError(f"The permission {permission.name} is declared twice.")
    get_builtin_role_permissions.cache_clear()
    get_granted_permissions.cache_clear()


def list_permissions() -> list[Permission]:
    """All permissions, sorted by name."""
    return sorted(_registry.values(), key=lambda permission: permission.name)


@lru_cache(maxsize=64)
def get_builtin_role_permissions(role: str) -> frozenset[str]:
    """The permissions of a built-in role; empty for other names."""
    return frozenset(permission.name for permission in _registry.values() if role in permission.roles)


@lru_cache(maxsize=4096)
def get_granted_permissions(names: str) -> frozenset[str]:
    """The permissions of a custom role that was granted these names, separated by spaces.

    Names that are undeclared or reserved grant nothing.
    """
    known = (_registry.get(name) for name in names.split())
    return frozenset(permission.name for permission in known if permission is not None and not permission.reserved)


def resolve_permissions(role: str, grants: str | None) -> frozenset[str]:
    """The permissions of a role; `grants` are the names that a custom role was granted, None for built-in roles."""
    return get_builtin_role_permissions(role) if grants is None else get_granted_permissions(grants)
