"""Every route declares whether it can widen access; those that can require recent reauthentication."""

from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient, Response

from tests.enabled import is_enabled
from tests.modules.teams.requests import (
    TEAMS,
    add_member,
    assert_error,
    assert_success,
    make_role,
    make_team,
    team_header,
)
from undercroft.app.api import offline_app
from undercroft.app.optional_modules import optional_modules
from undercroft.app.registry import get_registry
from undercroft.app.route_checks import check_routes
from undercroft.core.auth import PlatformRole
from undercroft.core.context import use_context
from undercroft.core.db import Database, utc_now
from undercroft.core.errors import CodeError
from undercroft.core.http import CurrentPrincipal, Exempt, Router, When
from undercroft.core.http.application import Api
from undercroft.testing.users import SignedInUser

USERS = "/api/v1/admin/users"
KEYS = "/api/v1/app/api-keys"


@pytest.mark.usefixtures("test_settings")
def test_every_route_declares_whether_it_widens_access() -> None:
    app = offline_app()
    with use_context(app.context):
        check_routes(app.routes, complete=True)


async def act(principal: CurrentPrincipal) -> None: ...
async def act_without_principal() -> None: ...


@pytest.mark.parametrize(
    ("surface", "router_options", "route_options", "is_complete"),
    [
        ("app", {}, {"permission": "members:write"}, False),
        ("app", {}, {"permission": "members:write", "step_up": True}, True),
        ("app", {}, {"permission": "members:write", "step_up": When("the role rises")}, True),
        ("app", {}, {"permission": "members:write", "step_up": Exempt("It only removes access.")}, True),
        ("app", {}, {"permission": "invitations:read"}, True),
        ("app", {"self_only": True}, {}, False),
        ("app", {"team_independent": True}, {"step_up": Exempt("A name grants no access.")}, True),
        ("admin", {}, {}, False),
        ("admin", {}, {"step_up": True}, True),
        ("auth", {}, {}, False),
        ("public", {}, {}, True),
    ],
)
@pytest.mark.usefixtures("test_settings")
def test_route_that_may_widen_access_without_a_policy_is_refused(
    surface: str, router_options: Any, route_options: Any, is_complete: bool
) -> None:
    get_registry().load()
    router = Router(surface=surface, prefix="/planted", **router_options)
    endpoint = act_without_principal if surface == "public" else act
    router.put("/change", audit=Exempt("It is a test."), **route_options)(endpoint)
    with nullcontext() if is_complete else pytest.raises(CodeError, match=r"PUT /.*/planted/change may widen access"):
        check_routes(router.routes, complete=True)


async def make_stale(database: Database) -> None:
    """Set the last reauthentication of all sessions to one hour ago."""
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_sessions SET reauthenticated_at = now() - interval '1 hour'")


@dataclass
class Scene:
    """A superadmin, and an owner of a team with a member, a custom role and a restricted API key."""

    root: SignedInUser
    owner: SignedInUser
    member: SignedInUser
    target: SignedInUser
    team: dict[str, Any]
    role: dict[str, Any]
    key: dict[str, Any]
    invitation: dict[str, Any]

    async def send(self, method: str, path: str, body: Any = None, *, by: SignedInUser | None = None) -> Response:
        client: AsyncClient = (by or self.owner).client
        path = path.format(team=self.team["id"], role=self.role["id"], key=self.key["id"], member=self.member.user_id)
        return await client.request(method, path, json=body)

    async def admin(self, method: str, end: str, body: Any = None) -> Response:
        return await self.send(method, f"{USERS}/{self.target.user_id}{end}", body, by=self.root)


@pytest.fixture
async def scene(app: Api, database: Database, create_user: Any) -> Scene:
    root, owner = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    member, target = await create_user(), await create_user()
    team = await make_team(owner.client)
    role = await make_role(owner.client, team, "editor", "teams:read")
    await add_member(app, team, member, "member")
    soon = (utc_now() + timedelta(days=1)).isoformat()
    key = {"id": ""}
    if is_enabled("api_keys"):
        body = {"name": "k", "scopes": ["teams:read"], "expires_at": soon}
        key = assert_success(await owner.client.post(KEYS, json=body))
    admins = {"email": "a@example.com", "role": "admin"}
    invitation = assert_success(await owner.client.post(f"{TEAMS}/{team['id']}/invitations", json=admins))
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET is_active = false WHERE id = $1", target.user_id)
    await make_stale(database)
    return Scene(root, owner, member, target, team, role, key, invitation)


Send = Callable[[Scene], Awaitable[Response]]
LATER = (utc_now() + timedelta(days=30)).isoformat()
WIDENING: dict[str, dict[str, Send]] = {
    "users": {
        "platform role": lambda it: it.admin("PATCH", "", {"role": "superadmin"}),
        "activation": lambda it: it.admin("POST", "/activate"),
    },
    "teams": {
        "new admin": lambda it: it.send("PATCH", TEAMS + "/{team}/members/{member}", {"role": "admin"}),
        "new owner": lambda it: it.send("PATCH", TEAMS + "/{team}/members/{member}", {"role": "owner"}),
        "invited admin": lambda it: it.send(
            "POST", TEAMS + "/{team}/invitations", {"email": "b@example.com", "role": "admin"}
        ),
        "invited admin again": lambda it: it.send(
            "POST", TEAMS + f"/{{team}}/invitations/{it.invitation['id']}/resend"
        ),
        "strong role": lambda it: it.send(
            "POST", TEAMS + "/{team}/roles", {"name": "x", "permissions": ["members:write"]}
        ),
        "stronger role": lambda it: it.send(
            "PATCH", TEAMS + "/{team}/roles/{role}", {"permissions": ["members:write"]}
        ),
        "domain": lambda it: it.send("PATCH", TEAMS + "/{team}", {"auto_join_domains": ["example.com"]}),
        "transfer": lambda it: it.send("POST", TEAMS + "/{team}/transfer", {"user_id": str(it.member.user_id)}),
    },
    "api_keys": {
        "new key": lambda it: it.send("POST", KEYS, {"name": "another"}),
        "key with all scopes": lambda it: it.send("PATCH", KEYS + "/{key}", {"scopes": None}),
        "key with more scopes": lambda it: it.send("PATCH", KEYS + "/{key}", {"scopes": ["invitations:read"]}),
        "key for longer": lambda it: it.send("PATCH", KEYS + "/{key}", {"expires_at": LATER}),
        "key for ever": lambda it: it.send("PATCH", KEYS + "/{key}", {"expires_at": None}),
        "rotated key": lambda it: it.send("POST", KEYS + "/{key}/rotate"),
    },
    "impersonation": {
        "impersonation": lambda it: it.admin("POST", "/impersonate", {"reason": "Ticket 4711"}),
    },
    "mfa": {
        "mfa reset": lambda it: it.admin("POST", "/mfa/reset"),
        "authenticator app": lambda it: it.send("POST", "/api/v1/auth/mfa/totp"),
        "passkey": lambda it: it.send("POST", "/api/v1/auth/passkeys/options"),
        "recovery codes": lambda it: it.send("POST", "/api/v1/auth/mfa/recovery-codes"),
    },
    "identities": {
        "identity": lambda it: it.send("POST", "/api/v1/auth/identities", {"provider": "google"}),
    },
}


def list_cases(by_module: dict[str, dict[str, Send]]) -> list[Any]:
    """The cases, each marked with its module if that can be disabled."""
    marks = {
        module: [pytest.mark.requires_module(module)] if module in optional_modules() else [] for module in by_module
    }
    return [
        pytest.param(send, id=name, marks=marks[module])
        for module, cases in by_module.items()
        for name, send in cases.items()
    ]


async def unchanged(database: Database) -> Any:
    """Return all data that determine access."""
    names = ["users", "memberships", "team_roles", "team_invitations", "teams", "auth_sessions"]
    if is_enabled("api_keys"):
        names.append("api_keys")
    async with database.session() as session:
        raw = await session.raw()
        return {name: await raw.fetch(f'SELECT * FROM "{name}" ORDER BY id') for name in names}


@pytest.mark.parametrize("send", list_cases(WIDENING))
async def test_session_without_recent_reauthentication_cannot_widen_access(
    scene: Scene, database: Database, send: Send
) -> None:
    before = await unchanged(database)
    assert_error(await send(scene), 403, "STEP_UP_REQUIRED")
    assert await unchanged(database) == before


EVERYDAY: dict[str, dict[str, Send]] = {
    "users": {"name of a user": lambda it: it.admin("PATCH", "", {"full_name": "Ada"})},
    "teams": {
        "invited member": lambda it: it.send("POST", TEAMS + "/{team}/invitations", {"email": "b@example.com"}),
        "viewer": lambda it: it.send("PATCH", TEAMS + "/{team}/members/{member}", {"role": "viewer"}),
        "weak role": lambda it: it.send("PATCH", TEAMS + "/{team}/roles/{role}", {"permissions": []}),
        "name of a team": lambda it: it.send("PATCH", TEAMS + "/{team}", {"name": "Acme 2"}),
        "removal": lambda it: it.send("DELETE", TEAMS + "/{team}/members/{member}"),
    },
    "api_keys": {
        "narrower key": lambda it: it.send("PATCH", KEYS + "/{key}", {"name": "n", "scopes": []}),
        "key for less long": lambda it: it.send(
            "PATCH", KEYS + "/{key}", {"expires_at": (utc_now() + timedelta(hours=1)).isoformat()}
        ),
        "revoked key": lambda it: it.send("DELETE", KEYS + "/{key}"),
    },
    "projects": {"project": lambda it: it.send("POST", "/api/v1/app/projects", {"name": "Website"})},
}


@pytest.mark.parametrize("send", list_cases(EVERYDAY))
async def test_session_without_recent_reauthentication_can_use_other_routes(scene: Scene, send: Send) -> None:
    assert_success(await send(scene))


async def test_mfa_requirement_cannot_be_removed_without_recent_reauthentication(
    scene: Scene, database: Database
) -> None:
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE teams SET require_mfa = true WHERE id = $1", UUID(scene.team["id"]))
        await raw.execute("UPDATE users SET second_factors = '{totp}' WHERE id = $1", scene.owner.user_id)
        await raw.execute("UPDATE auth_sessions SET passed_mfa = true WHERE user_id = $1", scene.owner.user_id)
    path, body = f"{TEAMS}/{scene.team['id']}", {"require_mfa": False}
    assert_error(
        await scene.owner.client.patch(path, json=body, headers=team_header(scene.team)), 403, "STEP_UP_REQUIRED"
    )
    assert (await scene.owner.client.get(path)).json()["require_mfa"]
