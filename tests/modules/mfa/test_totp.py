"""Codes of authenticator apps and recovery codes."""

import asyncio
from base64 import b32encode, b64decode
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx2 as httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlmodel import col

from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    post,
    sign_in,
)
from tests.modules.mfa.conftest import AuthenticatorApp, Clock, MfaUser, enable_totp
from undercroft.core.db import Database
from undercroft.core.security.keyring import DecryptionError
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.mfa.models import RecoveryCode, Totp
from undercroft.modules.mfa.service import codes
from undercroft.testing.statements import StatementRecorder

RFC_SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_match_the_rfc_test_vectors(now: int, code: str) -> None:
    """The vectors of RFC 6238, appendix B, with six digits."""
    assert codes.find_step(RFC_SECRET, code, now=now) == now // 30


def test_code_of_a_neighboring_step_is_accepted_and_of_no_other() -> None:
    now = 1111111109
    assert codes.find_step(RFC_SECRET, "081804", now=now + 30) == now // 30
    assert codes.find_step(RFC_SECRET, "081804", now=now - 30) == now // 30
    assert codes.find_step(RFC_SECRET, "081804", now=now + 90) is None
    assert codes.find_step(RFC_SECRET, "081804", now=now - 90) is None


def test_encrypted_secret_is_bound_to_its_user(test_settings: None) -> None:
    secrets, owner = codes.TotpSecrets(), uuid4()
    sealed = secrets.seal(owner, "the secret")
    assert b"the secret" not in sealed
    assert secrets.open(owner, sealed) == "the secret"
    with pytest.raises(DecryptionError):
        secrets.open(uuid4(), sealed)


async def test_setup_returns_the_secret_as_text_uri_and_qr_code(ada: RegisteredUser) -> None:
    started = (await ada.send("POST", "/auth/mfa/totp")).json()
    address = urlsplit(started["uri"])
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query)["secret"] == [started["secret"]]
    assert parse_qs(address.query)["issuer"] == ["Undercroft"]
    kind, _, picture = started["qr_code"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    picture_tag = b64decode(picture).partition(b">")[0]
    assert picture_tag.startswith(b"<svg")
    assert b'xmlns="http://www.w3.org/2000/svg"' in picture_tag  # browsers show no other picture


async def test_totp_is_off_until_a_code_confirms_it(ada: RegisteredUser, clock: Clock) -> None:
    app = AuthenticatorApp((await ada.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    assert (await ada.get("/auth/mfa")).json()["enabled"] is False
    assert (await sign_in(ada.http, ada.email)).status_code == 200
    refused = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": app.wrong()})
    assert (refused.status_code, error_code(refused)) == (403, "WRONG_CODE")
    confirmed = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": app.code()})
    assert len(confirmed.json()["recovery_codes"]) == 10
    assert (await ada.get("/auth/mfa")).json() == {
        "enabled": True,
        "totp": True,
        "passkeys": [],
        "recovery_codes_left": 10,
        "required_by": [],
    }


async def test_confirmation_is_refused_without_a_pending_setup_or_after_it_expired(
    ada: RegisteredUser, clock: Clock, database: Database
) -> None:
    never = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": "000000"})
    assert (never.status_code, error_code(never)) == (409, "TOTP_NOT_STARTED")
    app = AuthenticatorApp((await ada.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    async with database.session() as session:
        await session.execute(update(Totp).values(pending_at=col(Totp.pending_at) - timedelta(minutes=16)))
    late = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": app.code()})
    assert error_code(late) == "TOTP_NOT_STARTED"


async def test_sign_in_requires_a_second_factor(mfa_user: MfaUser) -> None:
    challenge = await mfa_user.start_sign_in()
    assert challenge["methods"] == ["totp", "recovery_code"]
    assert challenge["expires_in"] == 300
    response = await mfa_user.verify(challenge["mfa_token"], code=mfa_user.app.code())
    assert response.status_code == 200, response.text
    tokens = response.json()
    assert (bool(tokens["access_token"]), bool(tokens["refresh_token"]), tokens["expires_in"]) == (True, True, 900)


async def test_a_code_works_once(mfa_user: MfaUser) -> None:
    code = mfa_user.app.code()
    assert (await mfa_user.verify(await mfa_user.token(), code=code)).status_code == 200
    again = await mfa_user.verify(await mfa_user.token(), code=code)
    assert (again.status_code, error_code(again)) == (401, "INVALID_CODE")


async def test_the_code_that_confirmed_the_app_does_not_sign_in(ada: RegisteredUser, clock: Clock) -> None:
    mfa_user = await enable_totp(ada, clock)
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code(-1))).status_code == 401


async def test_codes_of_earlier_steps_are_refused_after_a_later_one_was_used(mfa_user: MfaUser) -> None:
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code(+1))).status_code == 200
    for steps in (-1, 0, +1):
        assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code(steps))).status_code == 401
    mfa_user.app.clock.next_step()
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code(+1))).status_code == 200


async def test_one_of_ten_concurrent_sign_ins_with_the_same_code_succeeds(mfa_user: MfaUser) -> None:
    tokens = [await mfa_user.token() for _ in range(10)]
    code = mfa_user.app.code()
    responses = await asyncio.gather(*(mfa_user.verify(token, code=code) for token in tokens))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 9


async def test_recovery_code_works_once_in_any_notation_and_notifies_the_user(
    mfa_user: MfaUser, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    written = mfa_user.recovery_codes[0].upper().replace("-", " ")
    assert (await mfa_user.verify(await mfa_user.token(), recovery_code=written)).status_code == 200
    mail = await mailbox.latest(mfa_user.user.email)
    assert "recovery code was used" in mail.subject
    assert "9 recovery codes left" in mail.text
    again = await mfa_user.verify(await mfa_user.token(), recovery_code=mfa_user.recovery_codes[0])
    assert (again.status_code, error_code(again)) == (401, "INVALID_CODE")


async def test_one_of_ten_concurrent_sign_ins_with_the_same_recovery_code_succeeds(mfa_user: MfaUser) -> None:
    tokens = [await mfa_user.token() for _ in range(10)]
    code = mfa_user.recovery_codes[0]
    responses = await asyncio.gather(*(mfa_user.verify(token, recovery_code=code) for token in tokens))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 9


async def test_recovery_code_and_app_of_another_user_are_refused(
    mfa_user: MfaUser, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    bob = await enable_totp(await create_registered_user(http, mailbox), mfa_user.app.clock)
    token = await mfa_user.token()
    assert error_code(await mfa_user.verify(token, recovery_code=bob.recovery_codes[0])) == "INVALID_CODE"
    assert (await mfa_user.verify(token, code=bob.app.code())).status_code == 401
    assert (await bob.verify(await bob.token(), recovery_code=bob.recovery_codes[0])).status_code == 200


async def test_new_recovery_codes_revoke_the_previous_ones(mfa_user: MfaUser, mailbox: Mailbox) -> None:
    renewed = (await mfa_user.user.send("POST", "/auth/mfa/recovery-codes")).json()["recovery_codes"]
    assert len(set(renewed)) == 10
    again = await mfa_user.verify(await mfa_user.token(), recovery_code=mfa_user.recovery_codes[0])
    assert error_code(again) == "INVALID_CODE"
    assert (await mfa_user.verify(await mfa_user.token(), recovery_code=renewed[0])).status_code == 200


async def test_recovery_codes_are_refused_without_a_factor(ada: RegisteredUser) -> None:
    refused = await ada.send("POST", "/auth/mfa/recovery-codes")
    assert (refused.status_code, error_code(refused)) == (409, "MFA_NOT_ENABLED")


async def test_neither_secrets_nor_codes_are_in_the_database(mfa_user: MfaUser, database: Database) -> None:
    async with database.read_session() as session:
        stored = (await session.scalars(select(Totp))).one()
        hashes = (await session.scalars(select(col(RecoveryCode.code_hash)))).all()
    assert mfa_user.app.secret.encode() not in (stored.secret_sealed or b"")
    assert stored.pending_sealed is None
    assert all(len(each) == 32 for each in hashes)


async def test_an_app_can_be_replaced_and_the_old_one_works_until_then(mfa_user: MfaUser) -> None:
    user, clock = mfa_user.user, mfa_user.app.clock
    replacement = AuthenticatorApp((await user.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())).status_code == 200
    clock.next_step()
    confirmed = await user.send("POST", "/auth/mfa/totp/confirm", {"code": replacement.code()})
    assert confirmed.json() == {"recovery_codes": None}
    clock.next_step()
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())).status_code == 401
    assert (await mfa_user.verify(await mfa_user.token(), code=replacement.code())).status_code == 200


async def test_password_is_enough_after_totp_was_removed(
    mfa_user: MfaUser, mailbox: Mailbox, database: Database
) -> None:
    await mailbox.list_new()
    assert (await mfa_user.user.send("DELETE", "/auth/mfa/totp")).status_code == 204
    assert (await sign_in(mfa_user.user.http, mfa_user.user.email)).status_code == 200
    assert "is off" in (await mailbox.latest(mfa_user.user.email)).subject
    async with database.read_session() as session:
        assert (await session.scalars(select(RecoveryCode))).all() == []
    again = await mfa_user.user.send("DELETE", "/auth/mfa/totp")
    assert (again.status_code, error_code(again)) == (404, "TOTP_NOT_FOUND")


async def test_sign_in_without_second_factors_queries_no_mfa_tables(
    ada: RegisteredUser, statements: StatementRecorder
) -> None:
    await sign_in(ada.http, ada.email)
    await statements.clear()
    assert (await sign_in(ada.http, ada.email)).status_code == 200
    await statements.get_all()
    assert not [sql for sql in statements.sent if "mfa_" in sql]


async def test_secrets_survive_a_secret_key_rotation_and_are_encrypted_again(
    mfa_user: MfaUser, database: Database
) -> None:
    async def sealed() -> bytes:
        async with database.read_session() as session:
            return bytes(await session.scalar(select(col(Totp.secret_sealed))))

    before, settings = await sealed(), load(CoreSettings)
    newer = SecretStr("another secret for tests, 9876543210 zyxwv")
    use(settings.model_copy(update={"secret_key": newer, "secret_keys": [settings.secret_key]}))
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())).status_code == 200
    assert (await sealed())[:4] != before[:4]
    mfa_user.app.clock.next_step()
    use(settings.model_copy(update={"secret_key": newer}))
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())).status_code == 200
    mfa_user.app.clock.next_step()
    use(settings)
    lost = await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())
    assert (lost.status_code, error_code(lost)) == (401, "INVALID_CODE")
    recovered = await mfa_user.verify(await mfa_user.token(), recovery_code=mfa_user.recovery_codes[0])
    assert recovered.status_code == 200


async def test_password_reset_does_not_bypass_the_second_factor(
    mfa_user: MfaUser, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email = mfa_user.user.email
    token = await mfa_user.token()
    await mailbox.list_new(email)
    await post(http, "/password/forgot", {"email": email})
    link = (await mailbox.latest(email)).token
    changed = await post(http, "/password/reset", {"token": link, "password": "four otters in a boat"})
    assert changed.status_code == 204
    revoked = await mfa_user.verify(token, code=mfa_user.app.code())
    assert (revoked.status_code, error_code(revoked)) == (401, "MFA_TOKEN_INVALID")
    response = await sign_in(http, email, "four otters in a boat")
    assert (response.status_code, error_code(response)) == (401, "MFA_REQUIRED")


async def test_oauth2_password_form_requires_the_second_factor(mfa_user: MfaUser, http: httpx.AsyncClient) -> None:
    form = {"grant_type": "password", "username": mfa_user.user.email, "password": PASSWORD}
    response = await http.post("/api/v1/auth/token", data=form)
    assert (response.status_code, error_code(response)) == (401, "MFA_REQUIRED")
    token = response.json()["error"]["details"]["mfa_token"]
    assert (await mfa_user.verify(token, code=mfa_user.app.code())).status_code == 200
