"""Codes of authenticator apps: which fit, and only once."""

import asyncio
from base64 import b32encode, b64decode
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

import httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import select, update
from sqlmodel import col

from tests.modules.auth.people import PASSWORD, Mailbox, Person, a_person, code_of, post, sign_in
from tests.modules.mfa.conftest import App, Clock, Guarded, turn_on
from undercroft.core.db import Database
from undercroft.core.security.keyring import Unreadable
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.mfa import totp
from undercroft.modules.mfa.models import RecoveryCode, Totp
from undercroft.testing.statements import Statements

RFC_SECRET = b32encode(b"12345678901234567890").decode()


@pytest.mark.parametrize(
    ("now", "code"),
    [(59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (2000000000, "279037"), (20000000000, "353130")],
)
def test_codes_are_those_of_the_standard(now: int, code: str) -> None:
    """RFC 6238, appendix B, in six digits."""
    assert totp.step_of(RFC_SECRET, code, now=now) == now // 30


def test_a_neighbouring_step_is_tolerated_and_no_further_one() -> None:
    now = 1111111109
    assert totp.step_of(RFC_SECRET, "081804", now=now + 30) == now // 30
    assert totp.step_of(RFC_SECRET, "081804", now=now - 30) == now // 30
    assert totp.step_of(RFC_SECRET, "081804", now=now + 90) is None
    assert totp.step_of(RFC_SECRET, "081804", now=now - 90) is None


def test_a_secret_at_rest_opens_for_its_person_alone(test_settings: None) -> None:
    secrets, owner = totp.Secrets(), uuid4()
    sealed = secrets.seal(owner, "the secret")
    assert b"the secret" not in sealed
    assert secrets.open(owner, sealed) == "the secret"
    with pytest.raises(Unreadable):
        secrets.open(uuid4(), sealed)


async def test_setting_up_shows_the_secret_as_text_as_address_and_as_picture(ada: Person) -> None:
    started = (await ada.send("POST", "/auth/mfa/totp")).json()
    address = urlsplit(started["uri"])
    assert (address.scheme, address.netloc) == ("otpauth", "totp")
    assert parse_qs(address.query)["secret"] == [started["secret"]]
    assert parse_qs(address.query)["issuer"] == ["Undercroft"]
    kind, _, picture = started["qr_code"].partition(",")
    assert kind == "data:image/svg+xml;base64"
    assert b64decode(picture).startswith(b"<svg")


async def test_nothing_is_on_before_a_code_confirms_it(ada: Person, clock: Clock) -> None:
    app = App((await ada.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    assert (await ada.get("/auth/mfa")).json()["enabled"] is False
    assert (await sign_in(ada.http, ada.email)).status_code == 200
    refused = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": app.wrong()})
    assert (refused.status_code, code_of(refused)) == (403, "WRONG_CODE")
    confirmed = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": app.code()})
    assert len(confirmed.json()["recovery_codes"]) == 10
    assert (await ada.get("/auth/mfa")).json() == {
        "enabled": True,
        "totp": True,
        "passkeys": [],
        "recovery_codes_left": 10,
        "required_by": [],
    }


async def test_an_app_that_was_not_begun_or_took_too_long_cannot_be_confirmed(
    ada: Person, clock: Clock, database: Database
) -> None:
    never = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": "000000"})
    assert (never.status_code, code_of(never)) == (409, "TOTP_NOT_STARTED")
    app = App((await ada.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    async with database.session() as session:
        await session.execute(update(Totp).values(pending_at=col(Totp.pending_at) - timedelta(minutes=16)))
    late = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": app.code()})
    assert code_of(late) == "TOTP_NOT_STARTED"


async def test_signing_in_takes_a_second_step(guarded: Guarded) -> None:
    asked = await guarded.first_step()
    assert asked["methods"] == ["totp", "recovery_code"]
    assert asked["expires_in"] == 300
    answer = await guarded.verify(asked["mfa_token"], code=guarded.app.code())
    assert answer.status_code == 200, answer.text
    assert set(answer.json()) == {"access_token", "refresh_token", "token_type", "expires_in"}


async def test_a_code_works_once(guarded: Guarded) -> None:
    code = guarded.app.code()
    assert (await guarded.verify(await guarded.token(), code=code)).status_code == 200
    again = await guarded.verify(await guarded.token(), code=code)
    assert (again.status_code, code_of(again)) == (401, "INVALID_CODE")


async def test_the_code_that_confirmed_the_app_does_not_sign_in(ada: Person, clock: Clock) -> None:
    guarded = await turn_on(ada, clock)
    assert (await guarded.verify(await guarded.token(), code=guarded.app.code(-1))).status_code == 401


async def test_after_a_code_none_of_an_earlier_step_is_taken(guarded: Guarded) -> None:
    assert (await guarded.verify(await guarded.token(), code=guarded.app.code(+1))).status_code == 200
    for steps in (-1, 0, +1):
        assert (await guarded.verify(await guarded.token(), code=guarded.app.code(steps))).status_code == 401
    guarded.app.clock.next_step()
    assert (await guarded.verify(await guarded.token(), code=guarded.app.code(+1))).status_code == 200


async def test_of_ten_sign_ins_with_one_code_at_once_one_gets_in(guarded: Guarded) -> None:
    tokens = [await guarded.token() for _ in range(10)]
    code = guarded.app.code()
    answers = await asyncio.gather(*(guarded.verify(token, code=code) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9


async def test_a_recovery_code_works_once_however_it_is_written_and_its_owner_is_told(
    guarded: Guarded, mailbox: Mailbox
) -> None:
    await mailbox.arrived()
    written = guarded.recovery_codes[0].upper().replace("-", " ")
    assert (await guarded.verify(await guarded.token(), recovery_code=written)).status_code == 200
    mail = await mailbox.latest(guarded.person.email)
    assert "recovery code was used" in mail.subject
    assert "are 9 left" in mail.text
    again = await guarded.verify(await guarded.token(), recovery_code=guarded.recovery_codes[0])
    assert (again.status_code, code_of(again)) == (401, "INVALID_CODE")


async def test_of_ten_sign_ins_with_one_recovery_code_at_once_one_gets_in(guarded: Guarded) -> None:
    tokens = [await guarded.token() for _ in range(10)]
    code = guarded.recovery_codes[0]
    answers = await asyncio.gather(*(guarded.verify(token, recovery_code=code) for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9


async def test_somebody_elses_recovery_code_and_app_are_worth_nothing(
    guarded: Guarded, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    bob = await turn_on(await a_person(http, mailbox), guarded.app.clock)
    token = await guarded.token()
    assert code_of(await guarded.verify(token, recovery_code=bob.recovery_codes[0])) == "INVALID_CODE"
    assert (await guarded.verify(token, code=bob.app.code())).status_code == 401
    assert (await bob.verify(await bob.token(), recovery_code=bob.recovery_codes[0])).status_code == 200


async def test_new_recovery_codes_void_the_earlier_ones(guarded: Guarded, mailbox: Mailbox) -> None:
    renewed = (await guarded.person.send("POST", "/auth/mfa/recovery-codes")).json()["recovery_codes"]
    assert len(set(renewed)) == 10
    again = await guarded.verify(await guarded.token(), recovery_code=guarded.recovery_codes[0])
    assert code_of(again) == "INVALID_CODE"
    assert (await guarded.verify(await guarded.token(), recovery_code=renewed[0])).status_code == 200


async def test_there_are_no_recovery_codes_without_a_factor(ada: Person) -> None:
    refused = await ada.send("POST", "/auth/mfa/recovery-codes")
    assert (refused.status_code, code_of(refused)) == (409, "MFA_NOT_ENABLED")


async def test_neither_secrets_nor_codes_are_in_the_database(guarded: Guarded, database: Database) -> None:
    async with database.reading() as session:
        kept = (await session.scalars(select(Totp))).one()
        hashes = (await session.scalars(select(col(RecoveryCode.code_hash)))).all()
    assert guarded.app.secret.encode() not in (kept.secret_sealed or b"")
    assert kept.pending_sealed is None
    assert all(len(each) == 32 for each in hashes)


async def test_an_app_can_be_replaced_and_the_old_one_works_until_then(guarded: Guarded) -> None:
    person, clock = guarded.person, guarded.app.clock
    replacement = App((await person.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    assert (await guarded.verify(await guarded.token(), code=guarded.app.code())).status_code == 200
    clock.next_step()
    confirmed = await person.send("POST", "/auth/mfa/totp/confirm", {"code": replacement.code()})
    assert confirmed.json() == {"recovery_codes": None}
    clock.next_step()
    assert (await guarded.verify(await guarded.token(), code=guarded.app.code())).status_code == 401
    assert (await guarded.verify(await guarded.token(), code=replacement.code())).status_code == 200


async def test_turned_off_the_password_is_enough_again(guarded: Guarded, mailbox: Mailbox, database: Database) -> None:
    await mailbox.arrived()
    assert (await guarded.person.send("DELETE", "/auth/mfa/totp")).status_code == 204
    assert (await sign_in(guarded.person.http, guarded.person.email)).status_code == 200
    assert "is off" in (await mailbox.latest(guarded.person.email)).subject
    async with database.reading() as session:
        assert (await session.scalars(select(RecoveryCode))).all() == []
    again = await guarded.person.send("DELETE", "/auth/mfa/totp")
    assert (again.status_code, code_of(again)) == (404, "TOTP_NOT_FOUND")


async def test_people_without_a_second_factor_sign_in_by_the_statements_that_they_always_did(
    ada: Person, statements: Statements
) -> None:
    await sign_in(ada.http, ada.email)
    await statements.clear()
    assert (await sign_in(ada.http, ada.email)).status_code == 200
    await statements.recorded()
    assert not [sql for sql in statements.sent if "mfa_" in sql]


async def test_secrets_outlive_a_new_secret_key_and_are_sealed_anew(guarded: Guarded, database: Database) -> None:
    async def sealed() -> bytes:
        async with database.reading() as session:
            return bytes(await session.scalar(select(col(Totp.secret_sealed))))

    before, settings = await sealed(), load(CoreSettings)
    newer = SecretStr("another secret for tests, 9876543210 zyxwv")
    use(settings.model_copy(update={"secret_key": newer, "secret_keys": [settings.secret_key]}))
    try:
        assert (await guarded.verify(await guarded.token(), code=guarded.app.code())).status_code == 200
        assert (await sealed())[:4] != before[:4]
        guarded.app.clock.next_step()
        use(settings.model_copy(update={"secret_key": newer}))
        assert (await guarded.verify(await guarded.token(), code=guarded.app.code())).status_code == 200
        guarded.app.clock.next_step()
        use(settings)
        lost = await guarded.verify(await guarded.token(), code=guarded.app.code())
        assert (lost.status_code, code_of(lost)) == (401, "INVALID_CODE")
        kept = await guarded.verify(await guarded.token(), recovery_code=guarded.recovery_codes[0])
        assert kept.status_code == 200
    finally:
        use(settings)


async def test_a_password_set_by_a_mailed_link_does_not_get_round_the_second_step(
    guarded: Guarded, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    email = guarded.person.email
    token = await guarded.token()
    await mailbox.arrived(email)
    await post(http, "/password/forgot", {"email": email})
    link = (await mailbox.latest(email)).token
    changed = await post(http, "/password/reset", {"token": link, "password": "four otters in a boat"})
    assert changed.status_code == 204
    void = await guarded.verify(token, code=guarded.app.code())
    assert (void.status_code, code_of(void)) == (401, "MFA_TOKEN_INVALID")
    answer = await sign_in(http, email, "four otters in a boat")
    assert (answer.status_code, code_of(answer)) == (401, "MFA_REQUIRED")


async def test_the_oauth2_form_asks_for_the_second_step_too(guarded: Guarded, http: httpx.AsyncClient) -> None:
    form = {"grant_type": "password", "username": guarded.person.email, "password": PASSWORD}
    answer = await http.post("/api/v1/auth/token", data=form)
    assert (answer.status_code, code_of(answer)) == (401, "MFA_REQUIRED")
    token = answer.json()["error"]["details"]["mfa_token"]
    assert (await guarded.verify(token, code=guarded.app.code())).status_code == 200
