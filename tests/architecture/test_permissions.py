"""The permission matrix: on every route of `app`, the guard accepts callers with the permission and refuses all others.

The required permission is read from the route's declaration, as are `self_only` and `team_independent`. Requests are
empty, so a route that accepts the caller responds with 422 or 404; this response is not tested. Callers with the fewest
permissions come first, because the last one may delete the team.
"""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi.routing import APIRoute
from httpx2 import AsyncClient, Response

from undercroft.app.api import offline_app
from undercroft.app.registry import get_registry
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.permissions import get_builtin_role_permissions
from undercroft.core.db import Database
from undercroft.core.http import Surface, get_info
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.teams.models import CustomRole, Membership, Team, TeamRole
from undercroft.testing.users import SignedInUser

CUSTOM_ROLE = "custom_role"
GRANTED = ("teams:read", "members:write", "invitations:read")
ROLES = (TeamRole.VIEWER.value, CUSTOM_ROLE, TeamRole.MEMBER.value, TeamRole.ADMIN.value, TeamRole.OWNER.value)


@dataclass(frozen=True)
class AppRoute:
    """One method of a route of the `app` surface."""

    method: str
    path: str
    self_only: bool
    permissions: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path.removeprefix(Surface.APP.prefix)}"


def list_app_routes() -> list[AppRoute]:
    routes = offline_app().routes
    names = set(get_registry().permissions.by_name)
    return [
        AppRoute(
            method,
            route.path,
            not get_info(route).uses_current_team,
            frozenset({get_info(route).permission}) & names,
        )
        for route in routes
        if isinstance(route, APIRoute) and route.path.startswith(f"{Surface.APP.prefix}/")
        for method in sorted(route.methods)
    ]


@dataclass(frozen=True)
class TeamPair:
    """Two teams, one of them deleted, with the same members in the same roles."""

    team_id: UUID
    deleted_team_id: UUID
    members: dict[str, SignedInUser]
    stranger: SignedInUser

    async def request(self, client: AsyncClient, route: AppRoute) -> Response:
        """Send an empty request about unknown objects in the active team."""
        given = {"team_id": self.team_id, "deleted_team_id": self.deleted_team_id}
        names = [part.partition("}")[0].partition(":")[0] for part in route.path.split("{")[1:]]
        path = route.path.format(**{name: given.get(name, new_id()) for name in names})
        return await client.request(route.method, path, headers={"X-Team-ID": str(self.team_id)})


@pytest.fixture
async def teams(app: Api, create_user: Any) -> TeamPair:
    members = {role: await create_user() for role in ROLES}
    teams = TeamPair(new_id(), new_id(), members, await create_user())
    async with app.context.get(Database).session() as session:
        for team_id in (teams.team_id, teams.deleted_team_id):
            session.add(Team(id=team_id, name="Acme", slug=f"acme-{team_id.hex}"))
            await session.flush()
            session.add(CustomRole(team_id=team_id, name=CUSTOM_ROLE, permissions=list(GRANTED)))
            session.add_all(
                [Membership(team_id=team_id, user_id=member.user_id, role=role) for role, member in members.items()]
            )
        await (await session.raw()).execute("UPDATE teams SET deleted_at = now() WHERE id = $1", teams.deleted_team_id)
    return teams


def is_permitted(role: str, route: AppRoute) -> bool:
    granted = frozenset(GRANTED) if role == CUSTOM_ROLE else get_builtin_role_permissions(role)
    return route.permissions <= granted if route.permissions else route.self_only


def is_accepted(response: Response) -> bool:
    """Return whether the guard accepted the request, independent of the route's own response."""
    if response.status_code == 403:
        code = response.json()["error"]["code"]
        assert code in ("PERMISSION_DENIED", *AFTER_THE_GUARD), response.text
        return code in AFTER_THE_GUARD
    return response.status_code != 401


AFTER_THE_GUARD = ("STEP_UP_REQUIRED", "MFA_REQUIRED", "WRONG_PASSWORD")
"""Errors of callers with the permission who have to reauthenticate."""


def test_every_app_route_requires_a_permission_or_is_self_only() -> None:
    undeclared = [str(route) for route in list_app_routes() if not route.self_only and not route.permissions]
    assert undeclared == []
    assert len(list_app_routes()) > 20


def test_changes_require_a_permission_that_viewers_lack() -> None:
    viewer = get_builtin_role_permissions(TeamRole.VIEWER.value)
    weak = [str(each) for each in list_app_routes() if each.method != "GET" and each.permissions & viewer]
    assert weak == []


OTHER_NAMES = {
    "POST /teams/{team_id}/transfer": "owners:write",
    "GET /permissions": "teams:read",
    "GET /teams/{team_id}/audit-logs": "audit:read",
    "GET /teams/{team_id}/audit-logs/export": "audit:read",
}
"""Routes whose permission is not named after a part of the path."""


def test_permission_is_named_after_a_resource_in_the_path() -> None:
    other = {
        str(route): permission
        for route in list_app_routes()
        for permission in route.permissions
        if permission.partition(":")[0].replace("_", "-") not in route.path.split("/")
    }
    assert other == OTHER_NAMES


def test_self_only_route_has_no_team_parameter() -> None:
    with_team = [str(route) for route in list_app_routes() if not route.permissions and "team_id}" in route.path]
    assert with_team == []


@pytest.mark.parametrize("route", list_app_routes(), ids=str)
async def test_guards_accept_and_refuse_callers_as_declared(
    client: AsyncClient, teams: TeamPair, route: AppRoute
) -> None:
    assert (await teams.request(client, route)).status_code == 401
    if route.permissions:
        response = await teams.request(teams.stranger.client, route)
        assert response.status_code == 404, response.text
        assert response.json()["error"]["code"] == "TEAM_NOT_FOUND"
    for role, member in teams.members.items():
        response = await teams.request(member.client, route)
        assert response.status_code < 500, (role, response.text)
        assert is_accepted(response) == is_permitted(role, route), (role, response.text)


async def test_platform_administrator_has_no_access_to_teams(teams: TeamPair, create_user: Any) -> None:
    admin = await create_user(role=PlatformRole.SUPERADMIN)
    for route in list_app_routes():
        if route.permissions:
            assert (await teams.request(admin.client, route)).status_code == 404, str(route)
