"""The API of flags: for callers and for administrators."""

import asyncio
from typing import Any
from uuid import UUID

import pytest
from httpx2 import AsyncClient

from tests.modules.audit.entries import entries
from tests.modules.flags.conftest import BETA, FEATURES, MAPS, RULES, SetRule
from undercroft.core.context import current_context
from undercroft.core.db import Database
from undercroft.core.events import ExtensionRemoved, publish
from undercroft.core.live.process import LiveValues
from undercroft.modules.flags import Flag, is_enabled
from undercroft.modules.flags.models import FlagRule
from undercroft.modules.flags.repository import FlagRuleRepository, new_rule
from undercroft.modules.flags.service.rules import store_declared_flags
from undercroft.modules.flags.subscribers import remove_team, remove_user
from undercroft.modules.teams import TeamPurged
from undercroft.modules.users import UserDeleted
from undercroft.testing.statements import StatementRecorder

GONE = Flag("hotel.gone", description="A feature that was removed from the code.")
PATH = f"{RULES}/{BETA.key}"


async def add_unused(database: Database, **values: Any) -> None:
    async with database.session() as session:
        row: FlagRule = new_rule(GONE)
        for name, value in {"is_default": False, **values}.items():
            setattr(row, name, value)
        session.add(row)


async def test_caller_gets_all_features_without_a_further_statement(
    user: AsyncClient, set_rule: SetRule, statements: StatementRecorder
) -> None:
    assert (await user.get(FEATURES)).json() == {"flags": {"hotel.beta": False, "hotel.maps": True}}
    await set_rule(BETA, enabled=True)
    await set_rule(MAPS, enabled=False)
    await statements.clear()
    assert (await user.get(FEATURES)).json() == {"flags": {"hotel.beta": True, "hotel.maps": False}}
    assert statements.count == 1, str(statements)


async def test_listed_user_and_team_have_the_feature(create_user: Any, set_rule: SetRule) -> None:
    ada, bob, eve = [await create_user() for _ in range(3)]
    await set_rule(BETA, enabled=True, percentage=0, users=[str(ada.user_id)], teams=[str(bob.team_id)])
    features = [(await each.client.get(FEATURES)).json()["flags"]["hotel.beta"] for each in (ada, bob, eve)]
    assert features == [True, True, False]


async def test_flags_are_listed_with_and_without_rules(
    admin: AsyncClient, database: Database, set_rule: SetRule
) -> None:
    await set_rule(BETA, enabled=True, percentage=25, unit="team")
    await add_unused(database)
    beta, gone, maps = (await admin.get(RULES)).json()["items"]
    assert (beta["key"], beta["percentage"], beta["unit"], beta["is_default"]) == ("hotel.beta", 25, "team", False)
    assert (gone["key"], gone["is_declared"], gone["default"]) == ("hotel.gone", False, None)
    assert (maps["enabled"], maps["is_default"], maps["is_declared"], maps["version"]) == (True, True, True, 0)


async def test_change_is_audited_once_and_repetition_is_not(admin: AsyncClient, database: Database) -> None:
    for _ in range(2):
        response = await admin.patch(PATH, json={"enabled": True, "percentage": 10})
        assert (response.status_code, response.headers["etag"]) == (200, '"2"')
    (entry,) = await entries(database, action="flag.changed")
    assert "hotel.beta" in str(entry["details"])


async def test_default_that_is_confirmed_becomes_a_rule(admin: AsyncClient) -> None:
    """Otherwise another default in a later release would change what the administrator decided."""
    assert (await admin.patch(PATH, json={"enabled": False})).json()["is_default"] is False


async def test_stale_change_is_refused(admin: AsyncClient) -> None:
    tag = (await admin.get(PATH)).headers["etag"]
    assert tag == '"0"'
    assert (await admin.patch(PATH, json={"enabled": True}, headers={"If-Match": tag})).status_code == 200
    stale = await admin.patch(PATH, json={"enabled": False}, headers={"If-Match": tag})
    assert (stale.status_code, stale.json()["error"]["code"]) == (412, "PRECONDITION_FAILED")
    assert (await admin.delete(PATH, headers={"If-Match": tag})).status_code == 412
    assert (await admin.get(PATH)).json()["enabled"] is True


async def test_one_of_concurrent_changes_of_the_same_version_succeeds(admin: AsyncClient, database: Database) -> None:
    headers = {"If-Match": '"0"'}
    changes = [admin.patch(PATH, json={"percentage": number}, headers=headers) for number in range(1, 9)]
    statuses = sorted([response.status_code for response in await asyncio.gather(*changes)])
    assert statuses == [200, *[412] * 7]
    assert len(await entries(database, action="flag.changed")) == 1


async def test_reset_returns_to_the_default_of_the_code(
    admin: AsyncClient, user: AsyncClient, set_rule: SetRule, database: Database
) -> None:
    await set_rule(MAPS, enabled=False, percentage=3)
    for _ in range(2):
        assert (await admin.delete(f"{RULES}/{MAPS.key}")).status_code == 204
    await current_context().get(LiveValues).refresh()
    assert (await user.get(FEATURES)).json()["flags"]["hotel.maps"] is True
    read = (await admin.get(f"{RULES}/{MAPS.key}")).json()
    assert (read["is_default"], read["enabled"], read["percentage"]) == (True, True, 100)
    assert len(await entries(database, action="flag.reset")) == 1


async def test_unused_rule_can_be_deleted(admin: AsyncClient, database: Database) -> None:
    await add_unused(database)
    assert (await admin.delete(f"{RULES}/{GONE.key}")).status_code == 204
    assert (await admin.delete(f"{RULES}/{GONE.key}")).json()["error"]["code"] == "FLAG_NOT_FOUND"
    assert len(await entries(database, action="flag.deleted")) == 1


@pytest.mark.parametrize(
    "body",
    [
        {"percentage": 101},
        {"percentage": -1},
        {"percentage": None},
        {"percentage": "many"},
        {"unit": "planet"},
        {"users": ["ada"]},
        {"users": [str(UUID(int=number)) for number in range(1001)]},
        {"starts_at": "2090-01-01T00:00:00"},
        {"ends_at": "tomorrow"},
        {"enabled": None},
        {"size": "large"},
        {"starts_at": "2090-01-02T00:00:00Z", "ends_at": "2090-01-01T00:00:00Z"},
    ],
)
async def test_invalid_change_is_refused(admin: AsyncClient, body: dict[str, Any]) -> None:
    response = await admin.patch(PATH, json=body)
    assert response.status_code == 422, response.text
    assert (await admin.get(PATH)).json()["is_default"] is True


async def test_schedule_is_checked_together_with_the_stored_one(admin: AsyncClient) -> None:
    assert (await admin.patch(PATH, json={"ends_at": "2090-01-01T00:00:00Z"})).status_code == 200
    refused = await admin.patch(PATH, json={"starts_at": "2090-01-02T00:00:00Z"})
    assert refused.json()["error"]["code"] == "INVALID_FLAG_SCHEDULE"


@pytest.mark.parametrize("key", ["hotel.spa", "beta", "%00", "hotel.beta'--", "x" * 101])
async def test_unknown_key_is_refused(admin: AsyncClient, key: str) -> None:
    for response in (
        await admin.get(f"{RULES}/{key}"),
        await admin.patch(f"{RULES}/{key}", json={"enabled": True}),
        await admin.delete(f"{RULES}/{key}"),
    ):
        assert response.status_code in (404, 422), response.text


async def test_only_administrators_change_rules(client: AsyncClient, user: AsyncClient) -> None:
    for caller, status in ((client, 401), (user, 403)):
        assert (await caller.get(RULES)).status_code == status
        assert (await caller.patch(PATH, json={"enabled": True})).status_code == status
    assert (await client.get(FEATURES)).status_code == 401


async def test_deleted_user_and_team_leave_the_lists(admin: AsyncClient, set_rule: SetRule, database: Database) -> None:
    user, team = UUID(int=1), UUID(int=2)
    await set_rule(BETA, enabled=True, percentage=0, users=[str(user), str(team)], teams=[str(team)])
    async with database.session() as session:
        await remove_user(session, UserDeleted(user, "ada@example.com"))
        await remove_team(session, TeamPurged(team))
    read = (await admin.get(PATH)).json()
    assert (read["users"], read["teams"]) == ([str(team)], [])
    await current_context().get(LiveValues).refresh()
    assert not is_enabled(BETA, user_id=user, team_id=team)


async def test_rules_of_a_removed_extension_are_deleted(
    admin: AsyncClient, set_rule: SetRule, database: Database
) -> None:
    await set_rule(BETA, enabled=True)
    async with database.session() as session:
        await publish(session, ExtensionRemoved("hot"))
        await publish(session, ExtensionRemoved("hotel"))
    assert (await admin.get(PATH)).json()["is_default"] is True


async def test_rows_follow_what_the_code_declares(admin: AsyncClient, database: Database) -> None:
    await add_unused(database, is_declared=True)
    for _ in range(2):
        await store_declared_flags(database)
    async with database.session() as session:
        rows = {row.key: row for row in await FlagRuleRepository(session).all()}
    assert {key: (row.is_declared, row.is_default, row.enabled) for key, row in rows.items()} == {
        "hotel.beta": (True, True, False),
        "hotel.gone": (False, False, False),
        "hotel.maps": (True, True, True),
    }


async def test_rule_of_an_administrator_survives_another_default(
    database: Database, admin: AsyncClient, set_rule: SetRule
) -> None:
    await set_rule(MAPS, enabled=False)
    await store_declared_flags(database)
    assert (await admin.get(f"{RULES}/{MAPS.key}")).json()["enabled"] is False
