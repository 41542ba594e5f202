"""Erasure of deleted users and purged teams from the audit log, without changing entries."""

from typing import Any
from uuid import UUID

import asyncpg
import pytest
from httpx2 import AsyncClient

from tests.factories import insert_user
from tests.modules.audit.entries import entries, personal_rows
from tests.modules.auth.users import PASSWORD, RegisteredUser
from undercroft.core.audit import Entry, person_id_for_email, record
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.modules.audit.repository import erase_values
from undercroft.modules.teams import TeamRepository
from undercroft.modules.teams.service.teams import purge_team
from undercroft.testing.jobs import CapturedJobs


async def test_account_deletion_erases_personal_values_without_changing_entries(
    ada: RegisteredUser, database: Database
) -> None:
    user_id = UUID((await ada.send("PATCH", "/app/users/me", {"full_name": "Countess"})).json()["id"])
    kept = await entries(database)
    assert "Countess" in str([await personal_rows(database, entry) for entry in kept])
    gone = await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    assert gone.status_code == 204, gone.text
    after = await entries(database)
    assert after[: len(kept)] == kept
    assert [entry["action"] for entry in after[len(kept) :]] == ["user.deleted", "team.deleted"]
    about_ada = [entry for entry in after if user_id in (entry["user_id"], entry["target_id"])]
    assert [entry["action"] for entry in about_ada] == [
        *("user.registered", "session.started", "user.profile_changed", "user.deleted", "team.deleted")
    ]
    assert [await personal_rows(database, entry) for entry in about_ada] == [[]] * 5


async def test_values_recorded_after_the_deletion_are_erased_by_a_job(
    ada: RegisteredUser, database: Database, jobs: CapturedJobs
) -> None:
    user_id = UUID((await ada.get("/app/users/me")).json()["id"])
    await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    async with database.session() as session:
        await record(session, Entry("thing.made", target_type="user", target_id=user_id, after={"email": ada.email}))
    (late,) = await entries(database, action="thing.made")
    assert len(await personal_rows(database, late)) == 1
    await jobs.run_all(future=True)
    assert await personal_rows(database, late) == []


async def test_deletion_erases_the_address_of_an_invited_user(
    ada: RegisteredUser, user: AsyncClient, database: Database
) -> None:
    team = (await user.post("/api/v1/app/teams", json={"name": "Acme"})).json()
    path = f"/api/v1/app/teams/{team['id']}"
    created = await user.post(f"{path}/invitations", json={"email": ada.email})
    assert (await user.delete(f"{path}/invitations/{created.json()['id']}")).status_code == 204
    invited = [entry for entry in await entries(database) if entry["target_type"] == "invitation"]
    assert [entry["action"] for entry in invited] == ["invitation.created", "invitation.revoked"]
    assert ada.email in str([await personal_rows(database, entry) for entry in invited])
    await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    kept = [await personal_rows(database, entry) for entry in invited]
    assert [[each["part"] for each in about] for about in kept] == [["origin"], ["origin"]]


async def test_erased_values_are_shown_as_placeholders(ada: RegisteredUser, admin: AsyncClient) -> None:
    await ada.send("PATCH", "/app/users/me", {"full_name": "Countess"})
    params = {"action": "user.profile_changed"}
    (entry,) = (await admin.get("/api/v1/admin/audit-logs", params=params)).json()["items"]
    assert (entry["before"], entry["after"]) == ({"full_name": "Ada Lovelace"}, {"full_name": "Countess"})
    await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    (entry,) = (await admin.get("/api/v1/admin/audit-logs", params=params)).json()["items"]
    assert (entry["before"], entry["after"]) == ({"full_name": "[personal]"}, {"full_name": "[personal]"})
    assert (entry["ip"], entry["user_agent"]) == (None, None)
    assert "deleted.invalid" in entry["actor"]["email"]


async def test_values_of_an_existing_account_cannot_be_erased(database: Database) -> None:
    person = await insert_user(database)
    for who in (person.user_id, person.team_id, new_id(), person_id_for_email("ada@example.com")):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            async with database.session() as session:
                await erase_values(session, who)


UNDONE = (
    "UPDATE users SET deleted_at = NULL WHERE id = $1",
    "UPDATE users SET deleted_at = now() + interval '1 day' WHERE id = $1",
    "UPDATE users SET id = gen_random_uuid() WHERE id = $1",
    "DELETE FROM users WHERE id = $1",
    "INSERT INTO users SELECT * FROM users WHERE id = $1 ON CONFLICT (id) DO UPDATE SET deleted_at = NULL",
)


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all: it owns the trigger")
@pytest.mark.parametrize("role", ["database_url", "admin_url"])
@pytest.mark.parametrize("statement", UNDONE)
async def test_deletion_of_an_account_is_final_for_every_role_of_the_application(
    request: pytest.FixtureRequest, database: Database, role: str, statement: str
) -> None:
    person = await insert_user(database)
    connection = await asyncpg.connect(request.getfixturevalue(role))
    try:
        await connection.execute("UPDATE users SET deleted_at = now() WHERE id = $1", person.user_id)
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement, person.user_id)
    finally:
        await connection.close()


@pytest.mark.skipif("os.environ.get('TEST_DATABASE_URL')", reason="one role for all")
@pytest.mark.parametrize("role", ["database_url", "admin_url"])
@pytest.mark.parametrize(
    "statement",
    ["UPDATE user_addresses SET user_id = $1", "DELETE FROM user_addresses WHERE user_id = $1"],
)
async def test_application_role_cannot_write_user_addresses(
    request: pytest.FixtureRequest, database: Database, role: str, statement: str
) -> None:
    person = await insert_user(database)
    connection = await asyncpg.connect(request.getfixturevalue(role))
    try:
        assert await connection.fetchval("SELECT count(*) FROM user_addresses WHERE user_id = $1", person.user_id) == 1
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement, person.user_id)
    finally:
        await connection.close()


async def test_database_and_application_derive_the_same_person_id(owner_url: str) -> None:
    connection = await asyncpg.connect(owner_url)
    for address in ("ada@example.com", "j\u00f6rg@b\u00fccher.example"):
        assert await connection.fetchval("SELECT audit_person($1)", address) == person_id_for_email(address)
    await connection.close()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("name", "ada"),
        ("comment", "Ada was here"),
        ("comment", {"inner": "Ada was here"}),
        ("comment", ["fine", "Ada was here"]),
        ("locale", "de-CH"),
        ("reason", "support"),
    ],
)
async def test_texts_of_users_are_stored_separately_and_erased_with_the_purged_team(
    database: Database, jobs: CapturedJobs, name: str, value: Any
) -> None:
    owner, other = await insert_user(database), await insert_user(database)
    async with database.session() as session:
        for each in (owner, other):
            await record(session, Entry("thing.made", None, "thing", each.team_id, each.team_id, after={name: value}))
    own_entry, other_entry = await entries(database, action="thing.made")
    assert own_entry["after"] == {name: "[personal]"}
    (texts,) = await personal_rows(database, own_entry)
    assert (texts["part"], texts["person_id"], texts["values"]) == ("texts", owner.team_id, {"after": {name: value}})
    async with database.session() as session:
        team = await TeamRepository(session).get(owner.team_id)
        await TeamRepository(session).soft_delete(team)
        await purge_team(session, team)
    assert await personal_rows(database, own_entry) == []
    assert len(await personal_rows(database, other_entry)) == 1


@pytest.mark.parametrize(
    "value",
    [
        "projects:write",
        "member",
        "bearer",
        "acme.example",
        "2026-11-29T07:00:00.123456+00:00",
        "01a2265d-89e4-733d-9c14-cc17d0a81a9a",
        7,
        True,
    ],
)
async def test_values_not_typed_by_a_user_stay_in_the_entry(database: Database, value: Any) -> None:
    async with database.session() as session:
        await record(session, Entry("thing.made", after={"thing": value, "things": [value]}))
    (entry,) = await entries(database, action="thing.made")
    assert entry["after"] == {"thing": value, "things": [value]}
    assert await personal_rows(database, entry) == []
