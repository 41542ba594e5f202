"""The waiting list in `/admin`."""

import pytest

from tests.modules.admin.conftest import Browser
from tests.modules.audit.entries import entries as audit_entries
from tests.modules.waitlist.conftest import add, states
from undercroft.core.db import Database
from undercroft.testing import Mailbox

EMAILS = [f"{name}@example.com" for name in ("ada", "bob", "cleo")]
VIEW = "/admin/waitlist-entry"

pytestmark = pytest.mark.requires_module("admin")


async def test_administrator_invites_and_removes(browser: Browser, database: Database, mailbox: Mailbox) -> None:
    ids = await add(database, *EMAILS)
    admin = await browser()
    listed = (await admin.get(f"{VIEW}/list")).text
    assert all(email in listed for email in EMAILS)
    assert "Invite the next" in listed
    assert 'name="count" type="number" value="50"' in (await admin.get(f"{VIEW}/create")).text
    invited = await admin.post(f"{VIEW}/create", data={"count": "1", "save": "Save"})
    assert (invited.status_code, invited.headers["Location"].rpartition("/")[2]) == (302, "list")
    assert await states(database) == {EMAILS[0]: "invited", EMAILS[1]: "waiting", EMAILS[2]: "waiting"}

    details = (await admin.get(f"{VIEW}/details/{ids[2]}")).text
    assert f'name="entry_id" value="{ids[2]}"' in details
    invited = await admin.post(f"{VIEW}/create", data={"entry_id": ids[2], "save": "Save"})
    assert invited.status_code == 302, invited.text
    assert (await states(database))[EMAILS[2]] == "invited"
    assert "Invite again" in (await admin.get(f"{VIEW}/details/{ids[2]}")).text
    await mailbox.latest(EMAILS[2])

    assert (await admin.delete(f"{VIEW}/delete", params={"pks": ids[1]})).status_code == 200
    assert EMAILS[1] not in await states(database)
    (removed,) = await audit_entries(database, action="waitlist.removed")
    assert removed["user_id"] == admin.person.user_id  # type: ignore[attr-defined]


async def test_invalid_invitation_is_explained(browser: Browser, database: Database) -> None:
    admin = await browser()
    for data, text in (
        ({"count": "5"}, "There is no one to invite."),
        ({"count": "0"}, "between 1 and 200"),
        ({"count": "201"}, "between 1 and 200"),
        ({"count": "many"}, "Not a valid integer"),
        ({"entry_id": "ada"}, "entry_id"),
    ):
        refused = await admin.post(f"{VIEW}/create", data={**data, "save": "Save"})
        assert refused.status_code == 400, data
        assert text in refused.text, data
    assert await states(database) == {}


async def test_entries_cannot_be_edited(browser: Browser, database: Database) -> None:
    (entry_id,) = await add(database, EMAILS[0])
    admin = await browser()
    assert (await admin.get(f"{VIEW}/edit/{entry_id}")).status_code == 403
    assert f"/edit/{entry_id}" not in (await admin.get(f"{VIEW}/list")).text
