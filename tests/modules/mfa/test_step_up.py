"""Sensitive actions require recent authentication; step-up authentication."""

import asyncio
from datetime import timedelta

import pytest
from httpx2 import AsyncClient
from sqlalchemy import update
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.auth.users import RegisteredUser, error_code
from tests.modules.mfa.conftest import MfaUser, add_passkey
from undercroft.core.auth.settings import StepUpSettings
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import load, use
from undercroft.modules.auth import AuthServices
from undercroft.modules.auth.service.throttle import PAIR
from undercroft.modules.sessions.models import AuthSession
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.statements import StatementRecorder

SENSITIVE = [
    ("POST", "/auth/mfa/totp"),
    ("DELETE", "/auth/mfa/totp"),
    ("POST", "/auth/mfa/recovery-codes"),
    ("POST", "/auth/passkeys/options"),
    ("DELETE", "/auth/passkeys/0198f3c2-7a41-7c3e-9d55-0b6f1f2f7a10"),
]


@pytest.fixture
async def stale_user(ada: RegisteredUser, database: Database) -> RegisteredUser:
    """Ada, with a session whose last authentication is too old."""
    await expire_reauthentication(database)
    return ada


async def expire_reauthentication(database: Database) -> None:
    life = load(StepUpSettings).step_up_lifetime + timedelta(seconds=1)
    async with database.session() as session:
        await session.execute(update(AuthSession).values(reauthenticated_at=col(AuthSession.reauthenticated_at) - life))


@pytest.mark.parametrize(("method", "path"), SENSITIVE)
async def test_sensitive_endpoints_refuse_a_session_without_recent_authentication(
    stale_user: RegisteredUser, method: str, path: str
) -> None:
    refused = await stale_user.send(method, path)
    assert (refused.status_code, error_code(refused)) == (403, "STEP_UP_REQUIRED")
    assert refused.json()["error"]["details"] == {"methods": ["password", "sign_in"]}


async def test_session_that_was_never_authenticated_is_refused(ada: RegisteredUser, database: Database) -> None:
    async with database.session() as session:
        await session.execute(update(AuthSession).values(reauthenticated_at=None))
    assert error_code(await ada.send("POST", "/auth/mfa/totp")) == "STEP_UP_REQUIRED"


async def test_password_step_up_and_new_sign_in_grant_access(stale_user: RegisteredUser, database: Database) -> None:
    wrong = await stale_user.send("POST", "/auth/step-up", {"password": "not the password at all"})
    assert (wrong.status_code, error_code(wrong)) == (403, "WRONG_PASSWORD")
    assert error_code(await stale_user.send("POST", "/auth/mfa/totp")) == "STEP_UP_REQUIRED"
    assert (await stale_user.send("POST", "/auth/step-up", {"password": stale_user.password})).status_code == 204
    assert (await stale_user.send("POST", "/auth/mfa/totp")).status_code == 200
    await expire_reauthentication(database)
    assert (await (await stale_user.sign_in_again()).send("POST", "/auth/mfa/totp")).status_code == 200


async def test_step_up_applies_to_one_session(stale_user: RegisteredUser, database: Database) -> None:
    other = await stale_user.sign_in_again()
    await expire_reauthentication(database)
    assert (await other.send("POST", "/auth/step-up", {"password": stale_user.password})).status_code == 204
    assert error_code(await stale_user.send("POST", "/auth/mfa/totp")) == "STEP_UP_REQUIRED"


async def test_password_is_not_enough_when_the_user_has_a_second_factor(mfa_user: MfaUser, database: Database) -> None:
    await expire_reauthentication(database)
    ada = mfa_user.user
    refused = await ada.send("DELETE", "/auth/mfa/totp")
    assert refused.json()["error"]["details"] == {"methods": ["code", "recovery_code", "sign_in"]}
    by_password = await ada.send("POST", "/auth/step-up", {"password": ada.password})
    assert (by_password.status_code, error_code(by_password)) == (403, "STEP_UP_REQUIRED")
    assert error_code(await ada.send("DELETE", "/auth/mfa/totp")) == "STEP_UP_REQUIRED"
    assert (await ada.send("POST", "/auth/step-up", {"code": mfa_user.app.code()})).status_code == 204
    assert (await ada.send("DELETE", "/auth/mfa/totp")).status_code == 204


async def test_code_works_once_across_step_up_and_sign_in(mfa_user: MfaUser) -> None:
    code = mfa_user.app.code()
    assert (await mfa_user.user.send("POST", "/auth/step-up", {"code": code})).status_code == 204
    again = await mfa_user.user.send("POST", "/auth/step-up", {"code": code})
    assert (again.status_code, error_code(again)) == (403, "WRONG_CODE")
    assert error_code(await mfa_user.verify(await mfa_user.token(), code=code)) == "INVALID_CODE"


async def test_one_of_concurrent_step_ups_with_the_same_recovery_code_succeeds(mfa_user: MfaUser) -> None:
    body = {"recovery_code": mfa_user.recovery_codes[0]}
    responses = await asyncio.gather(*(mfa_user.user.send("POST", "/auth/step-up", body) for _ in range(6)))
    assert sorted(response.status_code for response in responses) == [204] + [403] * 5


async def test_passkey_steps_up(ada: RegisteredUser, key: Authenticator, database: Database) -> None:
    await add_passkey(ada, key)
    await expire_reauthentication(database)
    options = (await ada.send("POST", "/auth/step-up/options")).json()["options"]
    assert (await ada.send("POST", "/auth/step-up", {"passkey": key.sign(options)})).status_code == 204
    assert (await ada.send("POST", "/auth/mfa/recovery-codes")).status_code == 200


@pytest.mark.parametrize("credential", ["code", "undecodable passkey", "unknown passkey"])
async def test_credential_that_the_user_does_not_have_is_wrong(
    passkey_user: RegisteredUser, key: Authenticator, database: Database, credential: str
) -> None:
    await expire_reauthentication(database)
    options = (await passkey_user.send("POST", "/auth/step-up/options")).json()["options"]
    credential_id = "AAAAA" if credential == "undecodable passkey" else "AAAAAA"
    passkey = {"passkey": {**key.sign(options), "id": credential_id, "rawId": credential_id}}
    body = {"code": "123456"} if credential == "code" else passkey
    refused = await passkey_user.send("POST", "/auth/step-up", body)
    assert (refused.status_code, error_code(refused)) == (403, "WRONG_CODE")
    assert error_code(await passkey_user.send("POST", "/auth/mfa/recovery-codes")) == "STEP_UP_REQUIRED"
    assert len(await entries(database, action="mfa.failed")) == 1


async def test_wrong_codes_are_throttled(app: Api, mfa_user: MfaUser, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).throttle, "_scale", 1)
    wrong = {"code": mfa_user.app.wrong()}
    codes = [
        error_code(await mfa_user.user.send("POST", "/auth/step-up", wrong)) for _ in range(PAIR.free_attempts + 1)
    ]
    assert codes == ["WRONG_CODE"] * PAIR.free_attempts + ["TOO_MANY_ATTEMPTS"]


@pytest.mark.parametrize("way", ["step_up", "sign_in", "change"])
async def test_right_password_does_not_clear_the_count_of_wrong_codes(
    app: Api, mfa_user: MfaUser, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).throttle, "_scale", 1)
    ada = mfa_user.user
    for _ in range(PAIR.free_attempts):
        assert error_code(await ada.send("POST", "/auth/step-up", {"code": mfa_user.app.wrong()})) == "WRONG_CODE"

    if way == "step_up":
        assert error_code(await ada.send("POST", "/auth/step-up", {"password": ada.password})) == "STEP_UP_REQUIRED"
    elif way == "sign_in":
        await mfa_user.token()
    else:
        body = {"current_password": ada.password, "new_password": "a very new sentence"}
        assert (await ada.send("POST", "/auth/password/change", body)).status_code == 204

    again = await ada.send("POST", "/auth/step-up", {"code": mfa_user.app.wrong()})
    assert (again.status_code, error_code(again)) == (429, "TOO_MANY_ATTEMPTS")


async def test_right_code_does_not_clear_the_count_of_wrong_passwords(
    app: Api, mfa_user: MfaUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).throttle, "_scale", 1)
    ada, wrong = mfa_user.user, {"password": "not the password at all"}
    for _ in range(PAIR.free_attempts):
        assert error_code(await ada.send("POST", "/auth/step-up", wrong)) == "WRONG_PASSWORD"

    assert (await ada.send("POST", "/auth/step-up", {"code": mfa_user.app.code()})).status_code == 204

    again = await ada.send("POST", "/auth/step-up", wrong)
    assert (again.status_code, error_code(again)) == (429, "TOO_MANY_ATTEMPTS")


async def test_anonymous_client_cannot_step_up(client: AsyncClient) -> None:
    for path in ("/step-up", "/step-up/options"):
        assert (await client.post(f"/api/v1/auth{path}", json={"password": "x"})).status_code == 401


ACCOUNT = [
    ("POST", "/auth/email/change", {"new_email": "another@example.com"}),
    ("POST", "/auth/password/change", {"new_password": "a very new sentence"}),
    ("DELETE", "/app/users/me", {}),
]


@pytest.mark.parametrize(("method", "path", "body"), ACCOUNT)
async def test_account_changes_require_the_second_factor_besides_the_password(
    mfa_user: MfaUser, database: Database, method: str, path: str, body: dict[str, str]
) -> None:
    body = body | {"current_password": mfa_user.user.password}
    await expire_reauthentication(database)
    refused = await mfa_user.user.send(method, path, body)
    assert (refused.status_code, error_code(refused)) == (403, "STEP_UP_REQUIRED")
    await mfa_user.user.send("POST", "/auth/step-up", {"recovery_code": mfa_user.recovery_codes[0]})
    assert (await mfa_user.user.send(method, path, body)).status_code in (202, 204)


async def test_step_up_lifetime_follows_the_setting(stale_user: RegisteredUser) -> None:
    use(load(StepUpSettings).model_copy(update={"step_up_minutes": 60.0}))
    assert (await stale_user.send("POST", "/auth/mfa/totp")).status_code == 200


async def test_authentication_needs_one_statement(mfa_user: MfaUser, statements: StatementRecorder) -> None:
    await mfa_user.user.get("/app/users/me")
    await statements.clear()
    await mfa_user.user.get("/app/users/me")
    await statements.get_all()
    assert len(statements.all) == 1
