"""Every audit action declares whether its owner is notified by email, and the declared emails are sent."""

from typing import Any

import pytest

from tests.email_expectations import (
    CONDITIONAL_ACTIONS,
    EMAILED_ACTIONS,
    SILENT_ACTIONS,
    find_missing_emails,
    list_actions,
)
from tests.modules.teams.requests import assert_success
from undercroft.app.optional_modules import optional_modules
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.testing.audit import RecordedRequest

HOW = (
    "Say in tests/email_expectations.py whether these actions of the audit log email the owner of the account or team: "
)


@pytest.mark.requires_module(*optional_modules())
def test_every_action_declares_whether_its_owner_gets_an_email(app: Api) -> None:
    declared = [*EMAILED_ACTIONS, *CONDITIONAL_ACTIONS, *SILENT_ACTIONS]
    assert sorted(list_actions(app) - set(declared)) == [], HOW
    assert sorted(set(declared) - list_actions(app)) == [], "These actions are gone."
    assert len(declared) == len(set(declared)), "Each action once."


def test_actions_are_found_in_the_source_code(app: Api) -> None:
    assert {"passkey.cloned", "identity.deleted", "team.purged"} <= list_actions(app)
    assert "totp.unreadable" not in list_actions(app)


@pytest.mark.requires_module("api_keys")
async def test_action_without_its_email_is_detected(
    create_user: Any, database: Database, recorded_requests: list[RecordedRequest], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await create_user()
    assert_success(await person.client.post("/api/v1/app/api-keys", json={"name": "one"}))
    assert await find_missing_emails(recorded_requests, database) == []
    with monkeypatch.context() as patch:
        patch.setitem(EMAILED_ACTIONS, "api_key.created", frozenset({"another_template"}))
        [missing] = await find_missing_emails(recorded_requests, database)
    assert "api_key.created without an email" in missing
