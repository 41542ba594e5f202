"""What a principal of each kind of caller requires and returns."""

import pytest

from tests.core.auth.principals import SESSION_ID, USER_ID, make_principal
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.principal import InteractiveSessionRequired, UserRequired


def test_ids_of_a_user_and_a_session_are_returned() -> None:
    assert (make_principal().user_id, make_principal().session_id) == (USER_ID, SESSION_ID)


def test_team_api_key_has_no_user() -> None:
    with pytest.raises(UserRequired) as refused:
        _ = make_principal(user_id_or_none=None).user_id

    assert (refused.value.status, refused.value.code) == (403, "USER_REQUIRED")


def test_api_key_has_no_session() -> None:
    with pytest.raises(InteractiveSessionRequired) as refused:
        _ = make_principal(session_id_or_none=None).session_id

    assert (refused.value.status, refused.value.code) == (403, "INTERACTIVE_SESSION_REQUIRED")


def test_platform_role_includes_itself_and_the_weaker_ones() -> None:
    included = {(role, other) for role in PlatformRole for other in PlatformRole if role.includes(other)}

    assert included == {
        ("user", "user"),
        ("admin", "user"),
        ("admin", "admin"),
        ("superadmin", "user"),
        ("superadmin", "admin"),
        ("superadmin", "superadmin"),
    }


def test_permissions_are_limited_to_the_scopes_of_an_api_key() -> None:
    both = frozenset({"projects:read", "projects:write"})

    assert make_principal(scopes=None).limit_to_scopes(both) == both
    assert make_principal(scopes=frozenset({"projects:read"})).limit_to_scopes(both) == {"projects:read"}
    assert make_principal(scopes=frozenset()).limit_to_scopes(both) == frozenset()
