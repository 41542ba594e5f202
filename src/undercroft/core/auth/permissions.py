"""Permissions that modules declare and that team roles are granted."""

import re
from collections.abc import Iterable
from functools import lru_cache

from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.events import Event


class Permission(Struct, frozen=True):
    """`name` is `things:verb`; `roles` are the built-in team roles that have it, which the module `teams` defines.

    A `reserved` permission belongs to these roles only: a team cannot grant it to its custom roles. One that
    `widens_access` allows to grant access to users or programs: each route that requires it and changes data declares
    `step_up`.
    """

    name: str
    description: str
    roles: frozenset[str]
    reserved: bool = False
    widens_access: bool = False


_NAME = re.compile(r"[a-z][a-z0-9_-]*:[a-z][a-z0-9_-]*")


class PermissionsRemoved(Event, frozen=True):
    """An extension was removed: nothing may be granted its permissions, which another one may declare again."""

    names: tuple[str, ...]


class Permissions:
    """The permissions that the modules of an application declare, by name.

    Raises `ValueError` if a name is not `things:verb`, or if it is declared twice.
    """

    def __init__(self, permissions: Iterable[Permission] = ()) -> None:
        self.by_name: dict[str, Permission] = {}
        for permission in permissions:
            if not _NAME.fullmatch(permission.name):
                raise ValueError(f"The permission {permission.name!r} must be named things:verb, in lowercase.")
            if self.by_name.setdefault(permission.name, permission) is not permission:
                raise ValueError(f"The permission {permission.name} is declared twice.")
        self.of_role = lru_cache(maxsize=64)(self._of_role)
        """Return the permissions of a built-in role; empty for other names."""
        self.of_grants = lru_cache(maxsize=4096)(self._of_grants)
        """Return the permissions of a custom role that was granted these names, separated by spaces.

        Names that are undeclared or reserved grant nothing.
        """

    def _of_role(self, role: str) -> frozenset[str]:
        return frozenset(permission.name for permission in self.by_name.values() if role in permission.roles)

    def _of_grants(self, names: str) -> frozenset[str]:
        known = (self.by_name.get(name) for name in names.split())
        return frozenset(permission.name for permission in known if permission is not None and not permission.reserved)


def list_permissions() -> list[Permission]:
    """All permissions of the current application, sorted by name."""
    return sorted(current_context().get(Permissions).by_name.values(), key=lambda permission: permission.name)


def get_builtin_role_permissions(role: str) -> frozenset[str]:
    """The permissions of a built-in role; empty for other names."""
    return current_context().get(Permissions).of_role(role)


def get_granted_permissions(names: str) -> frozenset[str]:
    """The permissions of a custom role that was granted these names, separated by spaces."""
    return current_context().get(Permissions).of_grants(names)


def resolve_permissions(role: str, grants: str | None) -> frozenset[str]:
    """The permissions of a role; `grants` are the names that a custom role was granted, None for built-in roles."""
    permissions = current_context().get(Permissions)
    return permissions.of_role(role) if grants is None else permissions.of_grants(grants)
