"""Every action of the audit log says whether its owner gets an email, and those that say so do."""

from pathlib import Path
from typing import Any

import pytest

from tests import trail
from tests.emailed import EMAILED, SILENT, SOMETIMES, actions
from tests.modules.teams.acts import done
from undercroft.core.db import Database
from undercroft.core.http.application import Api

HOW = "Say in tests/emailed.py whether these actions of the audit log email the owner of the account or team: "


def test_every_action_says_whether_its_owner_gets_an_email() -> None:
    said = [*EMAILED, *SOMETIMES, *SILENT]
    assert sorted(actions() - set(said)) == [], HOW
    assert sorted(set(said) - actions()) == [], "These actions are gone."
    assert len(said) == len(set(said)), "Each action once."


def test_actions_are_found_where_only_the_code_names_them() -> None:
    assert {"passkey.cloned", "identity.ended", "team.purged"} <= actions()
    assert "totp.unreadable" not in actions()


async def test_action_without_its_email_is_noticed(
    app: Api, somebody: Any, database: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await somebody()
    with trail.watching() as seen:
        done(await person.client.post("/api/v1/app/api-keys", json={"name": "one"}))
    await trail.check(seen, database, tmp_path)
    with monkeypatch.context() as patch:
        patch.setitem(EMAILED, "api_key.created", frozenset({"another_template"}))
        with pytest.raises(pytest.fail.Exception, match=r"api_key\.created without an email"):
            await trail.check(seen, database, tmp_path)
