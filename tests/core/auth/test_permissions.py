"""Declared permissions."""

import pytest

from undercroft.core.auth.permissions import Permission, Permissions, list_permissions, resolve_permissions
from undercroft.core.context import AppContext, use_context


def declare(name: str, *roles: str, reserved: bool = False) -> Permission:
    return Permission(name, "Do something.", frozenset(roles), reserved=reserved)


@pytest.mark.parametrize("name", ["rooms", "rooms:", ":read", "Rooms:read", "rooms read", "rooms:read:all", ""])
def test_permission_of_another_form_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match="must be named things:verb"):
        Permissions([declare(name)])


def test_permission_that_is_declared_twice_is_refused() -> None:
    with pytest.raises(ValueError, match="rooms:read is declared twice"):
        Permissions([declare("rooms:read"), declare("rooms:read")])


def test_role_and_grants_have_only_their_declared_permissions() -> None:
    permissions = Permissions(
        [declare("rooms:read", "member"), declare("rooms:write"), declare("rooms:own", "member", reserved=True)]
    )

    assert permissions.of_role("member") == {"rooms:read", "rooms:own"}
    assert permissions.of_role("unknown") == frozenset()
    assert permissions.of_grants("rooms:write rooms:own rooms:gone") == {"rooms:write"}


def test_permissions_of_the_application_are_sorted_by_name() -> None:
    context = AppContext()
    last, first = (
        Permission("rooms:write", "Change rooms.", frozenset()),
        Permission("rooms:read", "Read rooms.", frozenset({"member"})),
    )
    context.add(Permissions, Permissions([last, first]))
    with use_context(context):
        assert list_permissions() == [first, last]


def test_custom_role_without_grants_has_no_permissions_whatever_its_name() -> None:
    context = AppContext()
    context.add(Permissions, Permissions([declare("rooms:read", "member"), declare("rooms:write", "owner")]))
    with use_context(context):
        assert resolve_permissions("member", None) == {"rooms:read"}
        assert resolve_permissions("member", "") == frozenset()
        assert resolve_permissions("member", "rooms:write") == {"rooms:write"}
