"""Teams and administration that require two-factor authentication."""

from collections.abc import Awaitable, Callable

import pytest
import pytest_asyncio
from httpx2 import AsyncClient, Response

from tests.modules.auth.users import PASSWORD, Mailbox, RegisteredUser, create_registered_user, error_code
from tests.modules.mfa.conftest import Clock, MfaUser, add_passkey, enable_totp
from tests.modules.mfa.test_step_up import expire_reauthentication
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.db import Database
from undercroft.core.settings import CoreSettings, Environment, load, use
from undercroft.modules.teams.models import Membership
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


@pytest_asyncio.fixture(loop_scope="session")
async def bob(http: AsyncClient, mailbox: Mailbox) -> RegisteredUser:
    return await create_registered_user(http, mailbox)


@pytest_asyncio.fixture(loop_scope="session")
async def team(mfa_user: MfaUser, bob: RegisteredUser, database: Database) -> str:
    """Ada's team, which requires two-factor authentication. Bob is a member."""
    made = (await mfa_user.user.send("POST", "/app/teams", {"name": "Careful"})).json()
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=made["id"], user_id=bob_id, role="member"))
    assert (await set_mfa_requirement(mfa_user.user, made["id"], True)).status_code == 200
    return str(made["id"])


async def set_mfa_requirement(user: RegisteredUser, team: str, required: bool) -> Response:
    return await user.send("PATCH", f"/app/teams/{team}", {"require_mfa": required})


async def list_projects_in_team(user: RegisteredUser, team: str) -> Response:
    return await user.get("/app/permissions", **{"X-Team-ID": team})


@pytest.mark.requires_module("projects")
async def test_team_that_requires_mfa_refuses_only_its_own_resources_to_members_without_it(
    team: str, mfa_user: MfaUser, bob: RegisteredUser
) -> None:
    assert (await list_projects_in_team(mfa_user.user, team)).status_code == 200
    for response in (
        await list_projects_in_team(bob, team),
        await bob.send("POST", "/app/projects", {"name": "x"}, **{"X-Team-ID": team}),
        await bob.get(f"/app/teams/{team}"),
        await bob.get(f"/app/teams/{team}/members"),
    ):
        assert (response.status_code, error_code(response)) == (403, "MFA_ENROLLMENT_REQUIRED")
    assert (await bob.get("/app/permissions")).status_code == 200
    for path in ("/app/users/me", "/app/teams", "/auth/mfa", "/auth/sessions"):
        assert (await bob.get(path, **{"X-Team-ID": team})).status_code == 200, path


async def test_enabling_mfa_grants_access_to_this_session_and_other_sessions_step_up(
    team: str, bob: RegisteredUser, clock: Clock
) -> None:
    elsewhere = await bob.sign_in_again()
    bob_mfa = await enable_totp(bob, clock)
    assert (await list_projects_in_team(bob, team)).status_code == 200
    refused = await list_projects_in_team(elsewhere, team)
    assert (refused.status_code, error_code(refused)) == (403, "MFA_REQUIRED_BY_TEAM")
    assert refused.json()["error"]["details"] == {"methods": ["code", "recovery_code", "sign_in"]}
    assert (await elsewhere.send("POST", "/auth/step-up", {"code": bob_mfa.app.code()})).status_code == 204
    assert (await list_projects_in_team(elsewhere, team)).status_code == 200


async def test_step_up_with_a_password_does_not_grant_access(team: str, bob: RegisteredUser) -> None:
    assert (await bob.send("POST", "/auth/step-up", {"password": bob.password})).status_code == 204
    assert error_code(await list_projects_in_team(bob, team)) == "MFA_ENROLLMENT_REQUIRED"


async def test_session_loses_its_mfa_state_when_the_factor_is_removed(
    team: str, mfa_user: MfaUser, bob: RegisteredUser, clock: Clock
) -> None:
    await set_mfa_requirement(mfa_user.user, team, False)
    await enable_totp(bob, clock)
    assert (await bob.send("DELETE", "/auth/mfa/totp")).status_code == 204
    assert (await set_mfa_requirement(mfa_user.user, team, True)).status_code == 200
    assert error_code(await list_projects_in_team(bob, team)) == "MFA_ENROLLMENT_REQUIRED"


async def test_member_without_access_can_leave_the_team(team: str, bob: RegisteredUser) -> None:
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    assert (await bob.send("DELETE", f"/app/teams/{team}/members/{bob_id}")).status_code == 204


async def test_mfa_requirement_is_set_only_by_owners_with_a_second_factor(
    ada: RegisteredUser, bob: RegisteredUser, clock: Clock, database: Database
) -> None:
    team = str((await ada.send("POST", "/app/teams", {"name": "Ours"})).json()["id"])
    refused = await set_mfa_requirement(ada, team, True)
    assert (refused.status_code, error_code(refused)) == (403, "MFA_ENROLLMENT_REQUIRED")
    bob_mfa = await enable_totp(bob, clock)
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=bob_id, role="admin"))
    weak = await set_mfa_requirement(bob, team, True)
    assert (weak.status_code, error_code(weak)) == (403, "PERMISSION_DENIED")
    assert bob_mfa.app
    assert (await ada.get(f"/app/teams/{team}")).json()["require_mfa"] is False


async def test_removing_the_mfa_requirement_requires_reauthentication(
    team: str, mfa_user: MfaUser, database: Database
) -> None:
    await expire_reauthentication(database)
    refused = await set_mfa_requirement(mfa_user.user, team, False)
    assert (refused.status_code, error_code(refused)) == (403, "STEP_UP_REQUIRED")
    await mfa_user.user.send("POST", "/auth/step-up", {"code": mfa_user.app.code()})
    assert (await set_mfa_requirement(mfa_user.user, team, False)).json()["require_mfa"] is False


async def test_team_deletion_and_transfer_require_reauthentication(ada: RegisteredUser, database: Database) -> None:
    team = (await ada.send("POST", "/app/teams", {"name": "Ours"})).json()["id"]
    await expire_reauthentication(database)
    for response in (
        await ada.send("DELETE", f"/app/teams/{team}"),
        await ada.send("POST", f"/app/teams/{team}/transfer", {"user_id": team}),
    ):
        assert (response.status_code, error_code(response)) == (403, "STEP_UP_REQUIRED")


async def test_owner_changes_require_reauthentication(
    ada: RegisteredUser, bob: RegisteredUser, database: Database
) -> None:
    team = (await ada.send("POST", "/app/teams", {"name": "Ours"})).json()["id"]
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=bob_id, role="member"))
    member, guest = f"/app/teams/{team}/members/{bob_id}", {"email": "guest@example.com", "role": "owner"}
    await expire_reauthentication(database)
    for response in (
        await ada.send("PATCH", member, {"role": "owner"}),
        await ada.send("POST", f"/app/teams/{team}/invitations", guest),
        await ada.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": ["example.com"]}),
    ):
        assert (response.status_code, error_code(response)) == (403, "STEP_UP_REQUIRED")
    assert (await ada.send("PATCH", member, {"role": "viewer"})).status_code == 204
    await ada.send("POST", "/auth/step-up", {"password": PASSWORD})
    assert (await ada.send("PATCH", member, {"role": "owner"})).status_code == 204
    await expire_reauthentication(database)
    response = await ada.send("DELETE", member)
    assert (response.status_code, error_code(response)) == (403, "STEP_UP_REQUIRED")


async def test_personal_team_cannot_require_mfa(mfa_user: MfaUser) -> None:
    teams = (await mfa_user.user.get("/app/teams")).json()["items"]
    refused = await set_mfa_requirement(mfa_user.user, teams[0]["id"], True)
    assert (refused.status_code, error_code(refused)) == (409, "PERSONAL_TEAM")


async def test_last_factor_cannot_be_removed_while_a_team_requires_mfa(
    team: str, mfa_user: MfaUser, key: Authenticator
) -> None:
    ada = mfa_user.user
    refused = await ada.send("DELETE", "/auth/mfa/totp")
    assert (refused.status_code, error_code(refused)) == (409, "MFA_REQUIRED_BY_POLICY")
    assert refused.json()["error"]["details"]["teams"] == ["Careful"]
    assert (await ada.get("/auth/mfa")).json()["required_by"] == ["Careful"]
    passkey_id = (await add_passkey(ada, key)).json()["passkey"]["id"]
    assert (await ada.send("DELETE", "/auth/mfa/totp")).status_code == 204
    last = await ada.send("DELETE", f"/auth/passkeys/{passkey_id}")
    assert (last.status_code, error_code(last)) == (409, "MFA_REQUIRED_BY_POLICY")
    assert (await ada.get("/auth/mfa")).json()["recovery_codes_left"] == 10


async def test_one_of_two_concurrently_removed_factors_stays(team: str, mfa_user: MfaUser, key: Authenticator) -> None:
    import asyncio

    ada = mfa_user.user
    passkey_id = (await add_passkey(ada, key)).json()["passkey"]["id"]
    responses = await asyncio.gather(
        ada.send("DELETE", "/auth/mfa/totp"), ada.send("DELETE", f"/auth/passkeys/{passkey_id}")
    )
    assert sorted(response.status_code for response in responses) == [204, 409]
    assert (await ada.get("/auth/mfa")).json()["enabled"] is True


@pytest.mark.requires_module("api_keys")
async def test_personal_api_key_has_the_team_access_of_its_user(
    team: str, mfa_user: MfaUser, bob: RegisteredUser
) -> None:
    for user, status in ((mfa_user.user, 200), (bob, 403)):
        made = await user.send("POST", "/app/api-keys", {"name": "Program"})
        assert made.status_code == 201, made.text
        program = RegisteredUser(user.http, "", "", made.json()["key"], "")
        response = await list_projects_in_team(program, team)
        assert response.status_code == status, response.text
        assert (await list_projects_in_team(program, (await get_personal_team_id(user)))).status_code == 200
        assert (await program.get(f"/app/teams/{team}")).status_code == status


async def get_personal_team_id(user: RegisteredUser) -> str:
    teams = (await user.get("/app/teams")).json()["items"]
    return next(str(each["id"]) for each in teams if each["is_personal"])


@pytest.mark.requires_module("projects")
@pytest.mark.requires_module("api_keys")
async def test_team_api_key_works_when_the_team_requires_mfa(team: str, mfa_user: MfaUser) -> None:
    ada = mfa_user.user
    body = {"name": "Robot", "kind": "team", "scopes": ["projects:read"]}
    made = await ada.send("POST", "/app/api-keys", body, **{"X-Team-ID": team})
    assert made.status_code == 201, made.text
    program = RegisteredUser(ada.http, "", "", made.json()["key"], "")
    assert (await program.get("/app/projects")).status_code == 200


@pytest.mark.requires_module("api_keys")
async def test_api_keys_are_refused_at_sensitive_endpoints(mfa_user: MfaUser) -> None:
    made = await mfa_user.user.send("POST", "/app/api-keys", {"name": "Program"})
    program = RegisteredUser(mfa_user.user.http, "", "", made.json()["key"], "")
    for method, path in (("GET", "/auth/mfa"), ("POST", "/auth/mfa/totp"), ("POST", "/auth/passkeys/options")):
        assert error_code(await program.send(method, path)) == "INTERACTIVE_SESSION_REQUIRED"


async def test_administrators_need_a_second_factor_when_the_setting_requires_it(
    create_user: CreateUser, clock: Clock
) -> None:
    use(load(StepUpSettings).model_copy(update={"admin_requires_mfa": True}))
    admin = await create_user(role=PlatformRole.ADMIN)
    user = RegisteredUser(admin.client, admin.email, "", admin.token, "")
    refused = await user.get("/admin/users")
    assert (refused.status_code, error_code(refused)) == (403, "MFA_ENROLLMENT_REQUIRED")
    assert (await user.get("/app/users/me")).status_code == 200
    await enable_totp(user, clock)
    assert (await user.get("/admin/users")).status_code == 200
    last = await user.send("DELETE", "/auth/mfa/totp")
    assert (last.status_code, error_code(last)) == (409, "MFA_REQUIRED_BY_POLICY")


async def test_administrator_needs_a_session_that_verified_the_second_factor(
    bob: RegisteredUser, database: Database, clock: Clock
) -> None:
    elsewhere = await bob.sign_in_again()
    bob_mfa = await enable_totp(bob, clock)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET role = 'admin' WHERE email = $1", bob.email)
    assert (await elsewhere.get("/admin/users")).status_code == 200
    use(load(StepUpSettings).model_copy(update={"admin_requires_mfa": True}))
    refused = await elsewhere.get("/admin/users")
    assert (refused.status_code, error_code(refused)) == (403, "MFA_REQUIRED_FOR_ADMINS")
    assert refused.json()["error"]["details"] == {"methods": ["code", "recovery_code", "sign_in"]}
    assert (await elsewhere.get("/app/users/me")).status_code == 200
    assert (await elsewhere.send("POST", "/auth/step-up", {"code": bob_mfa.app.code()})).status_code == 204
    assert (await elsewhere.get("/admin/users")).status_code == 200


def test_admin_mfa_is_required_by_default_only_in_production(test_settings: None) -> None:
    settings = load(CoreSettings)
    defaults = {}
    for environment in Environment:
        use(settings.model_copy(update={"environment": environment}))
        defaults[environment.value] = StepUpSettings().is_admin_mfa_required
    assert defaults == {"production": True, "development": False, "test": False}


async def test_session_of_a_removed_factor_does_not_count_for_a_new_factor(
    mfa_user: MfaUser, bob: RegisteredUser, clock: Clock
) -> None:
    """A stolen session has passed a factor. The owner removes that factor and sets up another one."""
    made = (await mfa_user.user.send("POST", "/app/teams", {"name": "Careful"})).json()["id"]
    await enable_totp(bob, clock)
    bobs_team = (await bob.send("POST", "/app/teams", {"name": "Careful, too"})).json()["id"]
    assert (await set_mfa_requirement(bob, bobs_team, True)).status_code == 200
    elsewhere = await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())
    stolen = RegisteredUser(bob.http, bob.email, PASSWORD, elsewhere.json()["access_token"], "")
    assert (await mfa_user.user.send("DELETE", "/auth/mfa/totp")).status_code == 204
    clock.next_step()
    await enable_totp(mfa_user.user, clock)
    assert (await set_mfa_requirement(mfa_user.user, made, True)).status_code == 200

    refused = await list_projects_in_team(stolen, made)

    assert (refused.status_code, error_code(refused)) == (403, "MFA_REQUIRED_BY_TEAM")
    assert (await list_projects_in_team(mfa_user.user, made)).status_code == 200
    assert (await list_projects_in_team(bob, bobs_team)).status_code == 200
