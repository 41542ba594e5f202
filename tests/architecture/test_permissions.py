"""The permission matrix: on every route of `app`, the guard accepts callers with the permission and refuses all others.

The required permission is read from the route: that of its guard, or its router's `self_only`. Requests are empty, so a
route that accepts the caller responds with 422 or 404; this response is not tested. Callers with the fewest permissions
come first, because the last one may delete the team.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute
from httpx import AsyncClient, Response

from undercroft.app.api import offline_app
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.permissions import TeamRole, get_builtin_role_permissions, list_permissions
from undercroft.core.http import Surface
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.modules.teams.models import CustomRole, Membership, Team
from undercroft.testing.users import SignedInUser

OWN_ROLE = "own_role"
GRANTED = ("projects:read", "members:write", "invitations:read")
ROLES = (TeamRole.VIEWER.value, OWN_ROLE, TeamRole.MEMBER.value, TeamRole.ADMIN.value, TeamRole.OWNER.value)


@dataclass(frozen=True)
class Asked:
    """One method of a route of the `app` surface."""

    method: str
    path: str
    self_only: bool
    permissions: frozenset[str]

    def __str__(self) -> str:
        return f"{self.method} {self.path.removeprefix(Surface.APP.prefix)}"


def needs(dependant: Dependant) -> Iterator[str]:
    needed = getattr(dependant.call, "needs", None)
    if needed is not None:
        yield str(needed)
    for child in dependant.dependencies:
        yield from needs(child)


def asked() -> list[Asked]:
    routes = offline_app().routes
    names = {permission.name for permission in list_permissions()}
    return [
        Asked(
            method,
            route.path,
            getattr(route.endpoint, "__self_only__", False),
            frozenset(needs(route.dependant)) & names,
        )
        for route in routes
        if isinstance(route, APIRoute) and route.path.startswith(f"{Surface.APP.prefix}/")
        for method in sorted(route.methods)
    ]


@dataclass(frozen=True)
class Place:
    """Two teams, one of them deleted, with the same members in the same roles."""

    team_id: UUID
    deleted_team_id: UUID
    people: dict[str, SignedInUser]
    stranger: SignedInUser

    async def ask(self, client: AsyncClient, route: Asked) -> Response:
        """An empty request about things that are not there, in the living team."""
        given = {"team_id": self.team_id, "deleted_team_id": self.deleted_team_id}
        names = [part.partition("}")[0].partition(":")[0] for part in route.path.split("{")[1:]]
        path = route.path.format(**{name: given.get(name, new_id()) for name in names})
        return await client.request(route.method, path, headers={"X-Team-ID": str(self.team_id)})


@pytest.fixture
async def place(app: Api, create_user: Any) -> Place:
    people = {role: await create_user() for role in ROLES}
    place = Place(new_id(), new_id(), people, await create_user())
    async with app.state.database.session() as session:
        for team_id in (place.team_id, place.deleted_team_id):
            session.add(Team(id=team_id, name="Acme", slug=f"acme-{team_id.hex}"))
            await session.flush()
            session.add(CustomRole(team_id=team_id, name=OWN_ROLE, permissions=list(GRANTED)))
            session.add_all(
                [Membership(team_id=team_id, user_id=person.user_id, role=role) for role, person in people.items()]
            )
        await (await session.raw()).execute("UPDATE teams SET deleted_at = now() WHERE id = $1", place.deleted_team_id)
    return place


def may(role: str, route: Asked) -> bool:
    granted = frozenset(GRANTED) if role == OWN_ROLE else get_builtin_role_permissions(role)
    return route.permissions <= granted if route.permissions else route.self_only


def was_let_in(response: Response) -> bool:
    """Return whether the guard accepted the request, independent of the route's own response."""
    if response.status_code == 403:
        code = response.json()["error"]["code"]
        assert code in ("PERMISSION_DENIED", *AFTER_THE_GUARD), response.text
        return code in AFTER_THE_GUARD
    return response.status_code != 401


AFTER_THE_GUARD = ("STEP_UP_REQUIRED", "MFA_REQUIRED", "WRONG_PASSWORD")
"""Refusals of who is known and permitted, but has to prove it again."""


def test_every_app_route_requires_a_permission_or_is_self_only() -> None:
    undeclared = [str(route) for route in asked() if not route.self_only and not route.permissions]
    assert undeclared == [], (
        "Add require_permission(…), or Router(…, self_only=True) if it concerns only the current user."
    )
    assert len(asked()) > 20


def test_self_only_route_has_no_team_parameter() -> None:
    named = [str(route) for route in asked() if not route.permissions and "team_id}" in route.path]
    assert named == []


@pytest.mark.parametrize("route", asked(), ids=str)
async def test_guards_accept_and_refuse_callers_as_declared(client: AsyncClient, place: Place, route: Asked) -> None:
    assert (await place.ask(client, route)).status_code == 401
    if route.permissions:
        response = await place.ask(place.stranger.client, route)
        assert response.status_code == 404, response.text
        assert response.json()["error"]["code"] == "TEAM_NOT_FOUND"
    for role, person in place.people.items():
        response = await place.ask(person.client, route)
        assert response.status_code < 500, (role, response.text)
        assert was_let_in(response) == may(role, route), (role, response.text)


async def test_platform_administrator_has_no_access_to_teams(place: Place, create_user: Any) -> None:
    admin = await create_user(role=PlatformRole.SUPERADMIN)
    for route in asked():
        if route.permissions:
            assert (await place.ask(admin.client, route)).status_code == 404, str(route)
