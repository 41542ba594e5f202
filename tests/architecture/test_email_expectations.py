"""Every audit action declares whether its owner is notified by email, and the declared emails are sent."""

from pathlib import Path
from typing import Any

import pytest

from tests import audit_recorder
from tests.email_expectations import CONDITIONAL_ACTIONS, EMAILED_ACTIONS, SILENT_ACTIONS, list_actions
from tests.modules.teams.requests import assert_success
from undercroft.core.db import Database
from undercroft.core.http.application import Api

HOW = (
    "Say in tests/email_expectations.py whether these actions of the audit log email the owner of the account or team: "
)


def test_every_action_declares_whether_its_owner_gets_an_email() -> None:
    said = [*EMAILED_ACTIONS, *CONDITIONAL_ACTIONS, *SILENT_ACTIONS]
    assert sorted(list_actions() - set(said)) == [], HOW
    assert sorted(set(said) - list_actions()) == [], "These actions are gone."
    assert len(said) == len(set(said)), "Each action once."


def test_actions_are_found_in_the_source_code() -> None:
    assert {"passkey.cloned", "identity.ended", "team.purged"} <= list_actions()
    assert "totp.unreadable" not in list_actions()


async def test_action_without_its_email_is_detected(
    app: Api, create_user: Any, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await create_user()
    with audit_recorder.record_requests() as seen:
        assert_success(await person.client.post("/api/v1/app/api-keys", json={"name": "one"}))
    await audit_recorder.check(seen, database, tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(EMAILED_ACTIONS, "api_key.created", frozenset({"another_template"}))
        with pytest.raises(pytest.fail.Exception, match=r"api_key\.created without an email"):
            await audit_recorder.check(seen, database, tmp_path)
