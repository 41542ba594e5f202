"""Teams that ask for two-step sign-in, and administration that does."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio
from httpx import AsyncClient, Response

from tests.modules.auth.people import PASSWORD, Mailbox, Person, a_person, code_of
from tests.modules.mfa.conftest import Clock, Guarded, add_passkey, turn_on
from tests.modules.mfa.test_step_up import grow_stale
from undercroft.core.auth import PlatformRole
from undercroft.core.auth.settings import ProofSettings
from undercroft.core.db import Database
from undercroft.core.settings import CoreSettings, Environment, load, use
from undercroft.modules.teams.models import Membership
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.people import Person as SignedIn

SignIn = Callable[..., Awaitable[SignedIn]]


@pytest_asyncio.fixture(loop_scope="session")
async def bob(http: AsyncClient, mailbox: Mailbox) -> Person:
    return await a_person(http, mailbox)


@pytest_asyncio.fixture(loop_scope="session")
async def team(guarded: Guarded, bob: Person, database: Database) -> str:
    """Ada's team with Bob in it; it asks for two-step sign-in."""
    made = (await guarded.person.send("POST", "/app/teams", {"name": "Careful"})).json()
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=made["id"], user_id=bob_id, role="member"))
    assert (await ask(guarded.person, made["id"], True)).status_code == 200
    return str(made["id"])


async def ask(person: Person, team: str, wanted: bool) -> Response:
    return await person.send("PATCH", f"/app/teams/{team}", {"require_mfa": wanted})


async def in_team(person: Person, team: str) -> Response:
    return await person.get("/app/projects", **{"X-Team-ID": team})


async def test_the_team_is_closed_to_those_without_a_second_factor_and_nothing_else_is(
    team: str, guarded: Guarded, bob: Person
) -> None:
    assert (await in_team(guarded.person, team)).status_code == 200
    for answer in (
        await in_team(bob, team),
        await bob.send("POST", "/app/projects", {"name": "x"}, **{"X-Team-ID": team}),
        await bob.get(f"/app/teams/{team}"),
        await bob.get(f"/app/teams/{team}/members"),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "MFA_ENROLLMENT_REQUIRED")
    assert (await bob.get("/app/projects")).status_code == 200
    for path in ("/app/users/me", "/app/teams", "/auth/mfa", "/auth/sessions"):
        assert (await bob.get(path, **{"X-Team-ID": team})).status_code == 200, path


async def test_turning_two_step_sign_in_on_opens_the_team_in_that_session_and_others_step_up(
    team: str, bob: Person, clock: Clock
) -> None:
    elsewhere = await bob.sign_in_again()
    theirs = await turn_on(bob, clock)
    assert (await in_team(bob, team)).status_code == 200
    refused = await in_team(elsewhere, team)
    assert (refused.status_code, code_of(refused)) == (403, "MFA_REQUIRED_BY_TEAM")
    assert refused.json()["error"]["details"] == {"ways": ["code", "recovery_code", "sign_in"]}
    assert (await elsewhere.send("POST", "/auth/step-up", {"code": theirs.app.code()})).status_code == 204
    assert (await in_team(elsewhere, team)).status_code == 200


async def test_a_session_that_stepped_up_by_password_alone_stays_outside(team: str, bob: Person) -> None:
    assert (await bob.send("POST", "/auth/step-up", {"password": bob.password})).status_code == 204
    assert code_of(await in_team(bob, team)) == "MFA_ENROLLMENT_REQUIRED"


async def test_a_session_of_an_earlier_second_factor_counts_no_more_when_the_factor_is_gone(
    team: str, guarded: Guarded, bob: Person, clock: Clock
) -> None:
    await ask(guarded.person, team, False)
    await turn_on(bob, clock)
    assert (await bob.send("DELETE", "/auth/mfa/totp")).status_code == 204
    assert (await ask(guarded.person, team, True)).status_code == 200
    assert code_of(await in_team(bob, team)) == "MFA_ENROLLMENT_REQUIRED"


async def test_one_may_leave_a_team_that_one_cannot_enter(team: str, bob: Person) -> None:
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    assert (await bob.send("DELETE", f"/app/teams/{team}/members/{bob_id}")).status_code == 204


async def test_only_owners_ask_for_it_and_only_with_a_second_factor_of_their_own(
    ada: Person, bob: Person, clock: Clock, database: Database
) -> None:
    team = str((await ada.send("POST", "/app/teams", {"name": "Ours"})).json()["id"])
    refused = await ask(ada, team, True)
    assert (refused.status_code, code_of(refused)) == (403, "MFA_ENROLLMENT_REQUIRED")
    theirs = await turn_on(bob, clock)
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=bob_id, role="admin"))
    weak = await ask(bob, team, True)
    assert (weak.status_code, code_of(weak)) == (403, "PERMISSION_DENIED")
    assert theirs.app
    assert (await ada.get(f"/app/teams/{team}")).json()["require_mfa"] is False


async def test_letting_go_of_it_takes_recent_proof(team: str, guarded: Guarded, database: Database) -> None:
    await grow_stale(database)
    refused = await ask(guarded.person, team, False)
    assert (refused.status_code, code_of(refused)) == (403, "STEP_UP_REQUIRED")
    await guarded.person.send("POST", "/auth/step-up", {"code": guarded.app.code()})
    assert (await ask(guarded.person, team, False)).json()["require_mfa"] is False


async def test_deleting_a_team_and_handing_it_over_take_recent_proof(ada: Person, database: Database) -> None:
    team = (await ada.send("POST", "/app/teams", {"name": "Ours"})).json()["id"]
    await grow_stale(database)
    for answer in (
        await ada.send("DELETE", f"/app/teams/{team}"),
        await ada.send("POST", f"/app/teams/{team}/transfer", {"user_id": team}),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "STEP_UP_REQUIRED")


async def test_making_and_unmaking_owners_takes_recent_proof(ada: Person, bob: Person, database: Database) -> None:
    team = (await ada.send("POST", "/app/teams", {"name": "Ours"})).json()["id"]
    bob_id = (await bob.get("/app/users/me")).json()["id"]
    async with database.session() as session:
        session.add(Membership(team_id=team, user_id=bob_id, role="member"))
    member, guest = f"/app/teams/{team}/members/{bob_id}", {"email": "guest@example.com", "role": "owner"}
    await grow_stale(database)
    for answer in (
        await ada.send("PATCH", member, {"role": "owner"}),
        await ada.send("POST", f"/app/teams/{team}/invitations", guest),
        await ada.send("PATCH", f"/app/teams/{team}", {"auto_join_domains": ["example.com"]}),
    ):
        assert (answer.status_code, code_of(answer)) == (403, "STEP_UP_REQUIRED")
    assert (await ada.send("PATCH", member, {"role": "viewer"})).status_code == 204
    await ada.send("POST", "/auth/step-up", {"password": PASSWORD})
    assert (await ada.send("PATCH", member, {"role": "owner"})).status_code == 204
    await grow_stale(database)
    answer = await ada.send("DELETE", member)
    assert (answer.status_code, code_of(answer)) == (403, "STEP_UP_REQUIRED")


async def test_a_personal_team_is_not_closed(guarded: Guarded) -> None:
    teams = (await guarded.person.get("/app/teams")).json()["items"]
    refused = await ask(guarded.person, teams[0]["id"], True)
    assert (refused.status_code, code_of(refused)) == (409, "PERSONAL_TEAM")


async def test_the_last_factor_stays_while_a_team_asks_for_it(team: str, guarded: Guarded, key: Authenticator) -> None:
    ada = guarded.person
    refused = await ada.send("DELETE", "/auth/mfa/totp")
    assert (refused.status_code, code_of(refused)) == (409, "MFA_NEEDED")
    assert refused.json()["error"]["details"]["teams"] == ["Careful"]
    assert (await ada.get("/auth/mfa")).json()["required_by"] == ["Careful"]
    passkey_id = (await add_passkey(ada, key)).json()["passkey"]["id"]
    assert (await ada.send("DELETE", "/auth/mfa/totp")).status_code == 204
    last = await ada.send("DELETE", f"/auth/passkeys/{passkey_id}")
    assert (last.status_code, code_of(last)) == (409, "MFA_NEEDED")
    assert (await ada.get("/auth/mfa")).json()["recovery_codes_left"] == 10


async def test_of_two_last_factors_removed_at_once_one_stays(team: str, guarded: Guarded, key: Authenticator) -> None:
    import asyncio

    ada = guarded.person
    passkey_id = (await add_passkey(ada, key)).json()["passkey"]["id"]
    answers = await asyncio.gather(
        ada.send("DELETE", "/auth/mfa/totp"), ada.send("DELETE", f"/auth/passkeys/{passkey_id}")
    )
    assert sorted(answer.status_code for answer in answers) == [204, 409]
    assert (await ada.get("/auth/mfa")).json()["enabled"] is True


async def test_a_persons_api_key_counts_as_its_person_does(team: str, guarded: Guarded, bob: Person) -> None:
    for person, status in ((guarded.person, 200), (bob, 403)):
        made = await person.send("POST", "/app/api-keys", {"name": "Program"})
        assert made.status_code == 201, made.text
        program = Person(person.http, "", "", made.json()["key"], "")
        answer = await in_team(program, team)
        assert answer.status_code == status, answer.text
        assert (await in_team(program, (await personal(person)))).status_code == 200
        assert (await program.get(f"/app/teams/{team}")).status_code == status


async def personal(person: Person) -> str:
    teams = (await person.get("/app/teams")).json()["items"]
    return next(str(each["id"]) for each in teams if each["is_personal"])


async def test_a_teams_api_key_goes_on_when_the_team_asks_for_a_second_factor(team: str, guarded: Guarded) -> None:
    ada = guarded.person
    body = {"name": "Robot", "kind": "team", "scopes": ["projects:read"]}
    made = await ada.send("POST", "/app/api-keys", body, **{"X-Team-ID": team})
    assert made.status_code == 201, made.text
    program = Person(ada.http, "", "", made.json()["key"], "")
    assert (await program.get("/app/projects")).status_code == 200


async def test_no_api_key_gets_at_what_is_sensitive(guarded: Guarded) -> None:
    made = await guarded.person.send("POST", "/app/api-keys", {"name": "Program"})
    program = Person(guarded.person.http, "", "", made.json()["key"], "")
    for method, path in (("GET", "/auth/mfa"), ("POST", "/auth/mfa/totp"), ("POST", "/auth/passkeys/options")):
        assert code_of(await program.send(method, path)) == "INTERACTIVE_SESSION_REQUIRED"


@pytest_asyncio.fixture(loop_scope="session")
async def careful_administration(database: Database) -> AsyncIterator[None]:
    settings = load(ProofSettings)
    use(settings.model_copy(update={"admin_requires_mfa": True}))
    yield
    use(settings)


async def test_administrators_need_a_second_factor_where_the_setting_says_so(
    careful_administration: None, somebody: SignIn, clock: Clock
) -> None:
    admin = await somebody(role=PlatformRole.ADMIN)
    person = Person(admin.client, admin.email, "", admin.token, "")
    refused = await person.get("/admin/users")
    assert (refused.status_code, code_of(refused)) == (403, "MFA_ENROLLMENT_REQUIRED")
    assert (await person.get("/app/users/me")).status_code == 200
    await turn_on(person, clock)
    assert (await person.get("/admin/users")).status_code == 200
    last = await person.send("DELETE", "/auth/mfa/totp")
    assert (last.status_code, code_of(last)) == (409, "MFA_NEEDED")


def test_production_asks_administrators_for_it_and_development_does_not(test_settings: None) -> None:
    settings = load(CoreSettings)
    wanted = {}
    try:
        for environment in Environment:
            use(settings.model_copy(update={"environment": environment}))
            wanted[environment.value] = ProofSettings().administrators_need_mfa
    finally:
        use(settings)
    assert wanted == {"production": True, "development": False, "test": False}


async def test_session_of_a_removed_factor_does_not_pass_for_the_next_one(
    guarded: Guarded, bob: Person, clock: Clock
) -> None:
    """A stolen session that saw a factor: the owner removes that factor and sets up another one."""
    made = (await guarded.person.send("POST", "/app/teams", {"name": "Careful"})).json()["id"]
    await turn_on(bob, clock)
    theirs = (await bob.send("POST", "/app/teams", {"name": "Careful, too"})).json()["id"]
    assert (await ask(bob, theirs, True)).status_code == 200
    elsewhere = await guarded.verify(await guarded.token(), code=guarded.app.code())
    stolen = Person(bob.http, bob.email, PASSWORD, elsewhere.json()["access_token"], "")
    assert (await guarded.person.send("DELETE", "/auth/mfa/totp")).status_code == 204
    clock.next_step()
    await turn_on(guarded.person, clock)
    assert (await ask(guarded.person, made, True)).status_code == 200

    refused = await in_team(stolen, made)

    assert (refused.status_code, code_of(refused)) == (403, "MFA_REQUIRED_BY_TEAM")
    assert (await in_team(guarded.person, made)).status_code == 200
    assert (await in_team(bob, theirs)).status_code == 200
