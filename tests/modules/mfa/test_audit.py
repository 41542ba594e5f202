"""Every change of second factors records one audit entry without secrets."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx2 as httpx

from tests.modules.audit.entries import entries
from tests.modules.auth.users import Mailbox, RegisteredUser, post
from tests.modules.mfa.conftest import Clock, MfaUser, add_passkey, enable_totp
from tests.modules.mfa.test_passkeys import sign_in_options, with_passkey
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]


async def since(database: Database, before: int) -> list[dict[str, Any]]:
    return (await entries(database))[before:]


async def actions(database: Database, before: int) -> list[str]:
    return [entry["action"] for entry in await since(database, before)]


async def test_enabling_and_disabling_totp_each_record_one_entry_with_before_and_after(
    ada: RegisteredUser, clock: Clock, database: Database
) -> None:
    before = len(await entries(database))
    await enable_totp(ada, clock)
    assert (await ada.send("DELETE", "/auth/mfa/totp")).status_code == 204
    on, off = await since(database, before)
    assert (on["action"], on["before"], on["after"]) == (
        "totp.enabled",
        {"second_factors": []},
        {"second_factors": ["totp"]},
    )
    assert (off["action"], off["before"], off["after"]) == (
        "totp.disabled",
        {"second_factors": ["totp"]},
        {"second_factors": []},
    )
    assert str(on["user_id"]) == str(on["target_id"])


async def test_refused_requests_record_no_change(ada: RegisteredUser, mfa_user: MfaUser, database: Database) -> None:
    before = len(await entries(database))
    await ada.send("POST", "/auth/mfa/totp/confirm", {"code": "000000"})
    await ada.send("DELETE", "/auth/passkeys/0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10")
    assert await actions(database, before) == []


async def test_sign_in_records_the_challenge_failures_and_the_session(mfa_user: MfaUser, database: Database) -> None:
    before = len(await entries(database))
    token = await mfa_user.token()
    await mfa_user.verify(token, code=mfa_user.app.wrong())
    await mfa_user.verify(token, recovery_code=mfa_user.recovery_codes[0])
    assert await actions(database, before) == [
        "mfa.challenged",
        "mfa.failed",
        "mfa.recovery_code_used",
        "session.started",
    ]


async def test_step_up_records_one_entry(mfa_user: MfaUser, database: Database) -> None:
    before = len(await entries(database))
    await mfa_user.user.send("POST", "/auth/step-up", {"code": mfa_user.app.code()})
    await mfa_user.user.send("POST", "/auth/step-up", {"code": mfa_user.app.wrong()})
    await mfa_user.user.send("POST", "/auth/mfa/recovery-codes")
    assert await actions(database, before) == ["session.reauthenticated", "mfa.failed", "mfa.recovery_codes_renewed"]


async def test_passkey_changes_and_a_cloned_passkey_are_recorded(
    ada: RegisteredUser, key: Authenticator, http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    before = len(await entries(database))
    passkey_id = (await add_passkey(ada, key)).json()["passkey"]["id"]
    await ada.send("PATCH", f"/auth/passkeys/{passkey_id}", {"name": "Red key"})
    await ada.send("PATCH", f"/auth/passkeys/{passkey_id}", {"name": "Red key"})
    key.credentials[0].count = 9
    assert (await with_passkey(http, key)).status_code == 200
    key.credentials[0].count = 3
    await post(http, "/passkeys/sign-in", {"passkey": key.sign(await sign_in_options(http))})
    await ada.send("DELETE", f"/auth/passkeys/{passkey_id}")
    assert await actions(database, before) == [
        "passkey.added",
        "passkey.renamed",
        "session.started",
        "passkey.cloned",
        "sign_in.failed",
        "passkey.removed",
    ]
    subjects = [mail.subject for mail in await mailbox.list_new(ada.email)]
    assert "A passkey of your Undercroft account may have been copied" in subjects
    (cloned,) = await entries(database, action="passkey.cloned")
    assert cloned["details"] == {"seen": 10, "signed": 4}


async def test_reset_records_one_entry_with_its_actor(
    mfa_user: MfaUser, create_user: CreateUser, database: Database
) -> None:
    root = await create_user(role=PlatformRole.SUPERADMIN)
    user_id = (await mfa_user.user.get("/app/users/me")).json()["id"]
    before = len(await entries(database))
    for _ in range(2):
        await root.client.post(f"/api/v1/admin/users/{user_id}/mfa/reset")
    (entry,) = await since(database, before)
    assert (entry["action"], entry["user_id"], str(entry["target_id"])) == ("mfa.reset", root.user_id, user_id)
    assert entry["before"] == {"second_factors": ["totp"]}


async def test_audit_entries_contain_no_secrets(mfa_user: MfaUser, database: Database) -> None:
    token = await mfa_user.token()
    await mfa_user.verify(token, recovery_code=mfa_user.recovery_codes[0])
    reported = json.dumps(await entries(database), default=str)
    assert token not in reported
    assert mfa_user.app.secret not in reported
    assert not any(code in reported for code in mfa_user.recovery_codes)
