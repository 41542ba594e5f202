"""What a route requires of its caller."""

from typing import Any
from uuid import UUID

import pytest

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.auth import Authenticator, PlatformRole, Principal
from undercroft.core.http import Router
from undercroft.core.ids import new_id

USER_ID, OTHER_ID, TEAM_ID = UUID(int=1), UUID(int=2), UUID(int=3)
PATH = "/api/v1/app/members"
router = Router(surface="app", prefix="/members")


@router.get("/{user_id}", permission="members:read", or_self="user_id")
async def read_member(user_id: str) -> str:
    return user_id


class FixedPrincipal:
    """Authenticates every request as the same principal."""

    def __init__(self, permissions: set[str], **changes: Any) -> None:
        self.principal = Principal(USER_ID, new_id(), PlatformRole.USER, TEAM_ID, frozenset(permissions), **changes)

    async def authenticate(self, _request: Any) -> Principal:
        return self.principal

    def known_device(self, _request: Any) -> str | None:
        return None

    verified_subject = known_device


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build(router)


@pytest.mark.parametrize(
    ("user_id", "permissions", "status"),
    [
        (str(USER_ID), set(), 200),
        (USER_ID.hex, set(), 200),
        (str(OTHER_ID), set(), 403),
        ("not-a-uuid", set(), 403),
        (str(OTHER_ID), {"members:read"}, 200),
        ("not-a-uuid", {"members:read"}, 200),
    ],
)
async def test_permission_is_not_required_of_the_users_themselves(
    asgi_client: AsgiClient, user_id: str, permissions: set[str], status: int
) -> None:
    asgi_client.app.context.add(Authenticator, FixedPrincipal(permissions))
    response = await asgi_client.get(f"{PATH}/{user_id}")
    assert response.status == status
    if status == 403:
        assert response.json["error"]["details"] == {"permission": "members:read"}


@pytest.mark.parametrize(("permissions", "status"), [(set(), 403), ({"members:read"}, 200)])
async def test_key_with_scopes_requires_the_permission_also_for_its_user(
    asgi_client: AsgiClient, permissions: set[str], status: int
) -> None:
    asgi_client.app.context.add(
        Authenticator, FixedPrincipal(permissions, api_key_id=new_id(), scopes=frozenset(permissions))
    )
    assert (await asgi_client.get(f"{PATH}/{USER_ID}")).status == status


@pytest.mark.parametrize(("user_id", "status"), [(USER_ID, 200), (OTHER_ID, 403)])
async def test_mfa_requirement_of_a_team_does_not_apply_to_the_users_themselves(
    asgi_client: AsgiClient, user_id: UUID, status: int
) -> None:
    blocked = FixedPrincipal({"members:read"}, mfa_blocked=True, second_factors=("totp",))
    asgi_client.app.context.add(Authenticator, blocked)
    response = await asgi_client.get(f"{PATH}/{user_id}")
    assert response.status == status
    if status == 403:
        assert response.code == "MFA_REQUIRED_BY_TEAM"
