"""What a principal of each kind of caller requires and returns."""

from typing import Any

import pytest

from tests.core.auth.principals import SESSION_ID, USER_ID, make_principal
from undercroft.core.audit import ActorKind
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.principal import InteractiveSessionRequired, UserRequired
from undercroft.core.ids import new_id


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


@pytest.mark.parametrize(
    ("changes", "kind", "is_staff"),
    [
        ({"role": PlatformRole.USER}, ActorKind.USER, False),
        ({"role": PlatformRole.ADMIN}, ActorKind.USER, True),
        ({"role": PlatformRole.USER, "impersonator_id": new_id()}, ActorKind.USER, True),
        ({"role": PlatformRole.USER, "api_key_id": new_id()}, ActorKind.API_KEY, False),
        ({"role": PlatformRole.USER, "api_key_id": new_id(), "user_id_or_none": None}, ActorKind.API_KEY, False),
    ],
    ids=["user", "administrator", "impersonator", "key of a user", "key of a team"],
)
def test_actor_names_everyone_who_is_responsible(changes: dict[str, Any], kind: ActorKind, is_staff: bool) -> None:
    principal = make_principal(**changes)
    ids = (principal.user_id_or_none, principal.session_id_or_none, principal.api_key_id, principal.impersonator_id)
    actor = principal.actor

    assert (actor.kind, actor.is_staff) == (kind, is_staff)
    assert (actor.user_id, actor.session_id, actor.api_key_id, actor.impersonator_id) == ids
