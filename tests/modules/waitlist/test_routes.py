"""The admin API of the waiting list."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx2 as httpx
import pytest

from tests.modules.audit.entries import entries as audit_entries
from tests.modules.auth.users import error_code
from tests.modules.waitlist.conftest import WAITLIST, add, entries, states, update
from undercroft.core.db import Database, utc_now
from undercroft.core.db.privacy import erase_user
from undercroft.core.ids import new_id
from undercroft.jobs import enqueue
from undercroft.modules.waitlist.tasks import clean_up
from undercroft.testing import CapturedJobs, Mailbox

EMAILS = [f"{name}@example.com" for name in ("ada", "bob", "cleo", "dan", "eve")]


async def test_list_has_pages_search_order_and_filter(admin: httpx.AsyncClient, database: Database) -> None:
    ids = await add(database, *EMAILS)
    page = (await admin.get(WAITLIST, params={"size": 2, "page": 2})).json()
    assert ([each["email"] for each in page["items"]], page["total"], page["pages"]) == (EMAILS[2:4], 5, 3)
    assert set(page["items"][0]) == {
        *("id", "email", "state", "created_at", "invited_at", "invitation_expires_at", "registered_at")
    }
    assert [each["id"] for each in (await admin.get(WAITLIST, params={"q": "CLEO"})).json()["items"]] == [ids[2]]
    newest = (await admin.get(WAITLIST, params={"sort": "-created_at"})).json()["items"]
    assert [each["email"] for each in newest] == EMAILS[::-1]
    await admin.post(f"{WAITLIST}/invite", json={"count": 2})
    invited = (await admin.get(WAITLIST, params={"state": "invited"})).json()["items"]
    assert [each["email"] for each in invited] == EMAILS[:2]
    assert (await admin.get(WAITLIST, params={"state": "gone"})).status_code == 422
    assert (await admin.get(WAITLIST, params={"sort": "mailed_at"})).status_code == 422


@pytest.mark.requires_module("admin")
async def test_statistics_count_the_states(admin: httpx.AsyncClient, database: Database) -> None:
    await add(database, *EMAILS)
    await admin.post(f"{WAITLIST}/invite", json={"count": 2})
    counted = (await admin.get("/api/v1/admin/statistics")).json()["waitlist"]
    assert counted == {"waiting": 3, "invited": 2, "registered": 0}


async def test_next_are_invited_oldest_first_and_concurrent_requests_take_others(
    admin: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    await add(database, *EMAILS)
    sent = (admin.post(f"{WAITLIST}/invite", json={"count": 2}) for _ in range(2))
    assert [each.json() for each in await asyncio.gather(*sent)] == [{"invited": 2}] * 2
    found = await states(database)
    assert [found[email] for email in EMAILS] == ["invited"] * 4 + ["waiting"]
    recorded = await audit_entries(database, action="waitlist.invited")
    assert [str(each["details"]).count("-") for each in recorded] == [8, 8]  # the IDs of two entries
    assert not any(email in str(dict(each)) for each in recorded for email in EMAILS)
    assert (await admin.post(f"{WAITLIST}/invite", json={"count": 200})).json() == {"invited": 1}
    assert (await admin.post(f"{WAITLIST}/invite", json={"count": 200})).json() == {"invited": 0}
    for email in EMAILS:
        assert sum("Create your" in mail.subject for mail in await mailbox.list_new(email)) == 1


async def test_entry_is_invited_again_with_a_new_link(
    admin: httpx.AsyncClient, database: Database, mailbox: Mailbox
) -> None:
    (entry_id,) = await add(database, EMAILS[0])
    await mailbox.latest(EMAILS[0])
    tokens = []
    for _ in range(2):
        assert (await admin.post(f"{WAITLIST}/invite", json={"entry_ids": [entry_id]})).json() == {"invited": 1}
        tokens.append((await mailbox.latest(EMAILS[0])).token)
    assert len(set(tokens)) == 2


async def test_nobody_is_invited_if_an_entry_is_unknown(admin: httpx.AsyncClient, database: Database) -> None:
    (entry_id,), unknown = await add(database, EMAILS[0]), str(new_id())
    response = await admin.post(f"{WAITLIST}/invite", json={"entry_ids": [entry_id, unknown]})
    assert (response.status_code, error_code(response)) == (404, "WAITLIST_ENTRY_NOT_FOUND")
    assert response.json()["error"]["details"] == {"entry_ids": [unknown]}
    assert await states(database) == {EMAILS[0]: "waiting"}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"count": 0},
        {"count": 201},
        {"count": 1, "entry_ids": [str(new_id())]},
        {"entry_ids": []},
        {"entry_ids": ["ada"]},
        {"entry_ids": [str(new_id())] * 201},
        {"emails": EMAILS},
    ],
)
async def test_invalid_invitations_are_refused(admin: httpx.AsyncClient, body: dict[str, Any]) -> None:
    assert (await admin.post(f"{WAITLIST}/invite", json=body)).status_code == 422


async def test_removed_entry_can_join_again(admin: httpx.AsyncClient, database: Database) -> None:
    (entry_id,) = await add(database, EMAILS[0])
    assert (await admin.delete(f"{WAITLIST}/{entry_id}")).status_code == 204
    assert error_code(await admin.delete(f"{WAITLIST}/{entry_id}")) == "WAITLIST_ENTRY_NOT_FOUND"
    assert await add(database, EMAILS[0]) != [entry_id]
    (recorded,) = await audit_entries(database, action="waitlist.removed")
    assert str(recorded["target_id"]) == entry_id


async def test_only_administrators_use_the_list(
    user: httpx.AsyncClient, client: httpx.AsyncClient, database: Database
) -> None:
    (entry_id,) = await add(database, EMAILS[0])
    for caller, status in ((user, 403), (client, 401)):
        assert (await caller.get(WAITLIST)).status_code == status
        assert (await caller.post(f"{WAITLIST}/invite", json={"count": 1})).status_code == status
        assert (await caller.delete(f"{WAITLIST}/{entry_id}")).status_code == status
    assert await states(database) == {EMAILS[0]: "waiting"}


async def test_old_entries_are_deleted_unless_their_invitation_is_valid(database: Database, jobs: CapturedJobs) -> None:
    await add(database, *EMAILS)
    old, tomorrow = utc_now() - timedelta(days=366), utc_now() + timedelta(days=1)
    for email in EMAILS[:3]:
        await update(database, email, created_at=old)
    await update(database, EMAILS[1], state="invited", invitation_expires_at=tomorrow)
    await update(database, EMAILS[2], state="invited", invitation_expires_at=old)
    async with database.session() as session:
        await enqueue(session, clean_up)
    await jobs.run_all()
    assert set(await entries(database)) == {EMAILS[1], *EMAILS[3:]}
    (recorded,) = await audit_entries(database, action="waitlist.expired")
    assert recorded["after"] == {"removed": 2}


async def test_entry_of_a_deleted_user_is_erased(database: Database) -> None:
    await add(database, *EMAILS[:2])
    async with database.session() as session:
        erased = await erase_user(session, new_id(), [EMAILS[0]])
    assert erased["waitlist_entries"] == 1
    assert set(await entries(database)) == {EMAILS[1]}
