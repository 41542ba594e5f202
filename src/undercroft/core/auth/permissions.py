"""Permissions that modules declare and roles in a team are granted."""

from collections.abc import Iterable
from enum import StrEnum
from functools import cache

from msgspec import Struct


class TeamRole(StrEnum):
    """What somebody is in a team, strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


EVERYONE = frozenset(TeamRole)
WRITERS = frozenset({TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER})
ADMINS = frozenset({TeamRole.OWNER, TeamRole.ADMIN})
OWNERS = frozenset({TeamRole.OWNER})


class Permission(Struct, frozen=True):
    """`name` is `things:verb`; `roles` are those that have it out of the box."""

    name: str
    description: str
    roles: frozenset[TeamRole]


_declared: dict[str, Permission] = {}


def declare(permissions: Iterable[Permission]) -> None:
    """Make permissions known. Raises `ValueError` when a name is declared twice with different meanings."""
    for permission in permissions:
        if _declared.setdefault(permission.name, permission) != permission:
            raise ValueError(f"The permission {permission.name} is declared twice.")
    permissions_of.cache_clear()


def declared() -> list[Permission]:
    """All permissions, by name."""
    return sorted(_declared.values(), key=lambda permission: permission.name)


@cache
def permissions_of(role: str) -> frozenset[str]:
    """The names of the permissions that a role in a team has."""
    return frozenset(permission.name for permission in _declared.values() if role in permission.roles)
