"""The token between the two steps: short, for one sign-in, for few tries, for nothing else."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from tests.modules.auth.people import Mailbox, Person, a_person, client_of, code_of, post, sign_in
from tests.modules.mfa.conftest import Guarded, turn_on
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.security.tokens import hash_token
from undercroft.modules.auth.models import AuthSession
from undercroft.modules.auth.throttle import PAIR
from undercroft.modules.mfa.models import HalfwaySignIn
from undercroft.modules.mfa.second_step import TRIES
from undercroft.modules.mfa.tasks import clean_up
from undercroft.modules.users import User
from undercroft.testing.jobs import JobsInTest


async def sessions_of(database: Database, email: str) -> int:
    async with database.reading() as session:
        query = select(func.count()).select_from(AuthSession).join(User, col(User.id) == col(AuthSession.user_id))
        return int(await session.scalar(query.where(col(User.email) == email)))


async def test_the_first_step_alone_begins_no_session(guarded: Guarded, database: Database) -> None:
    before = await sessions_of(database, guarded.person.email)
    await guarded.token()
    assert await sessions_of(database, guarded.person.email) == before


async def test_the_token_is_kept_as_its_hash(guarded: Guarded, database: Database) -> None:
    token = await guarded.token()
    async with database.reading() as session:
        kept = (await session.scalars(select(col(HalfwaySignIn.token_hash)))).all()
    assert kept == [hash_token(token)]


async def test_the_token_is_no_access_token(guarded: Guarded, http: httpx.AsyncClient) -> None:
    token = await guarded.token()
    answer = await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {token}"})
    assert (answer.status_code, code_of(answer)) == (401, "INVALID_TOKEN")
    for path in ("/refresh", "/verify-email", "/password/reset"):
        body = {"token": token, "refresh_token": token, "password": "four otters in a boat"}
        assert (await post(http, path, body)).status_code in (400, 401)


async def test_a_token_works_once(guarded: Guarded) -> None:
    token = await guarded.token()
    assert (await guarded.verify(token, code=guarded.app.code())).status_code == 200
    guarded.app.clock.next_step()
    again = await guarded.verify(token, code=guarded.app.code())
    assert (again.status_code, code_of(again)) == (401, "MFA_TOKEN_INVALID")


async def test_of_many_right_answers_to_one_token_at_once_one_gets_in(guarded: Guarded, database: Database) -> None:
    token, before = await guarded.token(), await sessions_of(database, guarded.person.email)
    answers = await asyncio.gather(*(guarded.verify(token, recovery_code=code) for code in guarded.recovery_codes))
    assert sorted(answer.status_code for answer in answers) == [200] + [401] * 9
    assert await sessions_of(database, guarded.person.email) == before + 1
    left = (await guarded.person.get("/auth/mfa")).json()["recovery_codes_left"]
    assert left == 9


async def test_an_expired_token_is_refused_and_forgotten(
    guarded: Guarded, database: Database, jobs: JobsInTest
) -> None:
    token = await guarded.token()
    async with database.session() as session:
        await session.execute(
            update(HalfwaySignIn).values(expires_at=col(HalfwaySignIn.expires_at) - timedelta(minutes=6))
        )
    answer = await guarded.verify(token, code=guarded.app.code())
    assert (answer.status_code, code_of(answer)) == (401, "MFA_TOKEN_INVALID")
    async with database.session() as session:
        from undercroft.jobs import enqueue

        await enqueue(session, clean_up)
    await jobs.run_all()
    async with database.reading() as session:
        assert (await session.scalars(select(HalfwaySignIn))).all() == []


@pytest.mark.parametrize("token", ["x", "' OR 1=1 --", "\u0000", "é" * 100])
async def test_nonsense_is_no_token(http: httpx.AsyncClient, token: str) -> None:
    answer = await post(http, "/mfa/verify", {"mfa_token": token, "code": "123456"})
    assert (answer.status_code, code_of(answer)) == (401, "MFA_TOKEN_INVALID")


async def test_the_token_of_another_does_not_take_ones_own_code(
    guarded: Guarded, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    eve = await turn_on(await a_person(http, mailbox), guarded.app.clock)
    answer = await guarded.verify(await guarded.token(), code=eve.app.code())
    assert (answer.status_code, code_of(answer)) == (401, "INVALID_CODE")


async def test_five_wrong_codes_end_the_sign_in_and_its_owner_is_told(guarded: Guarded, mailbox: Mailbox) -> None:
    await mailbox.arrived()
    token = await guarded.token()
    for _ in range(TRIES):
        wrong = await guarded.verify(token, code=guarded.app.wrong())
        assert (wrong.status_code, code_of(wrong)) == (401, "INVALID_CODE")
    void = await guarded.verify(token, code=guarded.app.code())
    assert (void.status_code, code_of(void)) == (401, "MFA_TOKEN_INVALID")
    assert "Somebody knows your" in (await mailbox.latest(guarded.person.email)).subject


async def test_parallel_guesses_get_no_more_tries_than_others(guarded: Guarded, database: Database) -> None:
    token = await guarded.token()
    wrong = guarded.app.wrong()
    answers = await asyncio.gather(*(guarded.verify(token, code=wrong) for _ in range(20)))
    codes = [code_of(answer) for answer in answers]
    assert codes.count("INVALID_CODE") == TRIES
    assert codes.count("MFA_TOKEN_INVALID") == 20 - TRIES


async def test_signing_in_again_and_again_does_not_get_round_the_throttle(
    app: Api, guarded: Guarded, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.state.identity.throttle, "_scale", 1)
    async with client_of(app, ip="203.0.113.9") as attacker:
        codes = []
        for _ in range(PAIR.free + 1):
            asked = await sign_in(attacker, guarded.person.email)
            if code_of(asked) == "TOO_MANY_ATTEMPTS":
                codes.append(code_of(asked))
                break
            token = asked.json()["error"]["details"]["mfa_token"]
            guess = await post(attacker, "/mfa/verify", {"mfa_token": token, "code": guarded.app.wrong()})
            codes.append(code_of(guess))
    assert codes[-1] == "TOO_MANY_ATTEMPTS"
    assert len(codes) <= PAIR.free + 1
    assert (await guarded.verify(await guarded.token(), code=guarded.app.code())).status_code == 200


async def test_who_is_deactivated_between_the_steps_stays_out(guarded: Guarded, database: Database) -> None:
    token = await guarded.token()
    async with database.session() as session:
        await session.execute(update(User).values(is_active=False))
    answer = await guarded.verify(token, code=guarded.app.code())
    assert (answer.status_code, code_of(answer)) == (401, "MFA_TOKEN_INVALID")


async def test_a_cookie_is_set_after_the_second_step_where_the_first_asked_for_one(guarded: Guarded, app: Api) -> None:
    async with client_of(app) as browser:
        first = await sign_in(browser, guarded.person.email, session="cookie")
        assert code_of(first) == "MFA_REQUIRED"
        assert not browser.cookies
        token = first.json()["error"]["details"]["mfa_token"]
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        refused = await post(browser, "/mfa/verify", {"mfa_token": token, "code": guarded.app.code()}, **foreign)
        assert (refused.status_code, code_of(refused)) == (403, "CSRF_FAILED")
        answer = await post(browser, "/mfa/verify", {"mfa_token": token, "code": guarded.app.code()})
        assert set(answer.json()) == {"user", "csrf_token"}
        assert (await browser.get("/api/v1/app/users/me")).status_code == 200


@pytest.mark.parametrize(
    "proof",
    [
        {},
        {"code": "123456", "recovery_code": "abcd"},
        {"code": "12345"},
        {"code": "12345\u00bd"},
        {"code": 123456},
    ],
)
async def test_exactly_one_proof_of_the_right_form_is_asked_for(guarded: Guarded, proof: dict[str, object]) -> None:
    answer = await guarded.verify(await guarded.token(), **proof)
    assert (answer.status_code, code_of(answer)) == (422, "VALIDATION_ERROR")


async def test_a_deleted_account_leaves_no_factor_behind(guarded: Guarded, database: Database) -> None:
    body = {"current_password": guarded.person.password}
    assert (await guarded.person.send("DELETE", "/app/users/me", body)).status_code == 204
    async with database.reading() as session:
        for table in ("mfa_totps", "mfa_recovery_codes", "mfa_halfway_sign_ins", "mfa_passkeys"):
            connection = await session.execute(select(func.count()).select_from(_table(table)))
            assert connection.scalar_one() == 0


def _table(name: str) -> object:
    from sqlmodel import SQLModel

    return SQLModel.metadata.tables[name]


async def test_every_mail_about_second_factors_can_be_read(ada: Person) -> None:
    from undercroft.modules.mfa.notices import Notice
    from undercroft.providers.email.templates import render

    facts = {"what": "A thing", "left": "1", "ip": "192.0.2.1", "passkey": "Blue key", "first": "yes"}
    known = {"app_name": "Undercroft", "public_url": "https://a.example", "unsubscribe_url": None}
    for notice in Notice:
        told = {"name": "Ada", "when": "now", "reset_link": "https://a.example/reset-password", "link": "x"}
        mail = render(notice.value, {**known, **told, **facts})
        assert "https://a.example/reset-password" in mail.text
        assert "https://a.example/reset-password" in mail.html
