"""Who has gone is gone from the log too, and no entry was changed for it."""

from uuid import UUID

import asyncpg
import pytest
from httpx import AsyncClient

from tests.factories import somebody
from tests.modules.audit.entries import entries, personal
from tests.modules.auth.people import PASSWORD, Person
from undercroft.core.audit import Entry, record
from undercroft.core.db import Database
from undercroft.modules.audit.erasure import erase_values
from undercroft.testing.jobs import JobsInTest


async def test_whoever_deletes_the_account_is_erased_from_the_log_and_no_entry_changes(
    ada: Person, database: Database
) -> None:
    user_id = UUID((await ada.send("PATCH", "/app/users/me", {"full_name": "Countess"})).json()["id"])
    kept = await entries(database)
    assert "Countess" in str([await personal(database, entry) for entry in kept])
    gone = await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    assert gone.status_code == 204, gone.text
    after = await entries(database)
    assert after[: len(kept)] == kept
    assert [entry["action"] for entry in after[len(kept) :]] == ["user.deleted", "team.deleted"]
    about_ada = [entry for entry in after if user_id in (entry["user_id"], entry["target_id"])]
    assert [entry["action"] for entry in about_ada] == [
        *("user.registered", "session.started", "user.profile_changed", "user.deleted", "team.deleted")
    ]
    assert [await personal(database, entry) for entry in about_ada] == [[]] * 5


async def test_what_is_recorded_of_somebody_afterwards_is_erased_by_a_job(
    ada: Person, database: Database, jobs: JobsInTest
) -> None:
    user_id = UUID((await ada.get("/app/users/me")).json()["id"])
    await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    async with database.session() as session:
        await record(session, Entry("thing.made", target_type="user", target_id=user_id, after={"email": ada.email}))
    (late,) = await entries(database, action="thing.made")
    assert len(await personal(database, late)) == 1
    await jobs.run_all(future=True)
    assert await personal(database, late) == []


async def test_who_was_invited_is_erased_too(ada: Person, user: AsyncClient, database: Database) -> None:
    team = (await user.post("/api/v1/app/teams", json={"name": "Acme"})).json()
    path = f"/api/v1/app/teams/{team['id']}"
    made = await user.post(f"{path}/invitations", json={"email": ada.email})
    assert (await user.delete(f"{path}/invitations/{made.json()['id']}")).status_code == 204
    invited = [entry for entry in await entries(database) if entry["target_type"] == "invitation"]
    assert [entry["action"] for entry in invited] == ["invitation.created", "invitation.revoked"]
    assert ada.email in str([await personal(database, entry) for entry in invited])
    await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    kept = [await personal(database, entry) for entry in invited]
    assert [[each["part"] for each in about] for about in kept] == [["origin"], ["origin"]]


async def test_what_was_erased_is_shown_as_such(ada: Person, admin: AsyncClient) -> None:
    await ada.send("PATCH", "/app/users/me", {"full_name": "Countess"})
    asked = {"action": "user.profile_changed"}
    (entry,) = (await admin.get("/api/v1/admin/audit-logs", params=asked)).json()["items"]
    assert (entry["before"], entry["after"]) == ({"full_name": "Ada Lovelace"}, {"full_name": "Countess"})
    await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    (entry,) = (await admin.get("/api/v1/admin/audit-logs", params=asked)).json()["items"]
    assert (entry["before"], entry["after"]) == ({"full_name": "[personal]"}, {"full_name": "[personal]"})
    assert (entry["ip"], entry["user_agent"]) == (None, None)
    assert "deleted.invalid" in entry["actor"]["email"]


async def test_nobody_is_erased_who_has_an_account(database: Database) -> None:
    person = await somebody(database)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        async with database.session() as session:
            await erase_values(session, person.user_id)
