"""Audit entries of commands."""

import asyncio
from typing import Any

from typer.testing import CliRunner

from tests.modules.audit.entries import entries, personal_rows
from undercroft.cli import keys, user
from undercroft.core.db import Database
from undercroft.modules.sessions.service.signing_keys import SigningKeyService

PASSWORD = "three otters in a boat"


async def run(*words: Any, **how: Any) -> str:
    """Run a command in a thread, require exit code 0 and return its output."""
    result = await asyncio.to_thread(CliRunner().invoke, *words, **how)
    assert result.exit_code == 0, result.output
    return result.output


async def test_every_command_that_changes_data_writes_one_audit_entry(database: Database) -> None:
    await SigningKeyService(database).ensure()
    for app, words, typed in (
        (user.app, ["create-admin", "root@example.com", "--password-stdin"], PASSWORD),
        (user.app, ["create-admin", "root@example.com"], ""),
        (user.app, ["set-password", "root@example.com", "--password-stdin"], "another good sentence"),
        (keys.app, ["rotate", "--early"], ""),
        (keys.app, ["list"], ""),
    ):
        await run(app, words, input=f"{typed}\n")
    left = [entry for entry in await entries(database) if entry["actor_kind"] == "command"]
    assert [entry["action"] for entry in left] == ["user.registered", "user.password_changed", "signing_keys.rotated"]
    assert {entry["user_id"] for entry in left} == {None}
    assert all(entry["after"] for entry in left)
    (about_root,) = await personal_rows(database, left[0])
    assert about_root["person_id"] == left[0]["target_id"]
    assert about_root["values"]["after"]["email"] == "root@example.com"
