"""The MFA token of a sign-in: short-lived, for one sign-in, few attempts and no other purpose."""

import asyncio
from datetime import timedelta
from pathlib import Path

import httpx2 as httpx
import pytest
from sqlalchemy import func, select, update
from sqlmodel import col

from tests.modules.auth.users import (
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    make_client,
    post,
    sign_in,
)
from tests.modules.mfa.conftest import MfaUser, enable_totp
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.security.tokens import hash_token
from undercroft.modules.auth import AuthServices
from undercroft.modules.auth.service.throttle import PAIR
from undercroft.modules.mfa.models import PendingSignIn
from undercroft.modules.mfa.service.second_factor import MAX_ATTEMPTS
from undercroft.modules.mfa.tasks import clean_up
from undercroft.modules.sessions import SecondFactorProvider
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.users import User
from undercroft.testing.jobs import CapturedJobs


async def sessions_of(database: Database, email: str) -> int:
    async with database.read_session() as session:
        query = select(func.count()).select_from(AuthSession).join(User, col(User.id) == col(AuthSession.user_id))
        return int(await session.scalar(query.where(col(User.email) == email)))


async def test_second_factor_is_never_skipped_when_the_module_is_disabled(
    mfa_user: MfaUser, database: Database, app: Api
) -> None:
    before = await sessions_of(database, mfa_user.user.email)
    provider = app.context.get(SecondFactorProvider)
    app.context.remove(SecondFactorProvider)
    try:
        response = await sign_in(mfa_user.user.http, mfa_user.user.email)
    finally:
        app.context.add(SecondFactorProvider, provider)
    assert (response.status_code, error_code(response)) == (403, "MFA_UNAVAILABLE")
    assert await sessions_of(database, mfa_user.user.email) == before


async def test_first_factor_alone_starts_no_session(mfa_user: MfaUser, database: Database) -> None:
    before = await sessions_of(database, mfa_user.user.email)
    await mfa_user.token()
    assert await sessions_of(database, mfa_user.user.email) == before


async def test_token_is_stored_as_a_hash(mfa_user: MfaUser, database: Database) -> None:
    token = await mfa_user.token()
    async with database.read_session() as session:
        stored = (await session.scalars(select(col(PendingSignIn.token_hash)))).all()
    assert stored == [hash_token(token)]


async def test_mfa_token_is_refused_as_another_kind_of_token(mfa_user: MfaUser, http: httpx.AsyncClient) -> None:
    token = await mfa_user.token()
    response = await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, error_code(response)) == (401, "INVALID_TOKEN")
    for path in ("/refresh", "/verify-email", "/password/reset"):
        body = {"token": token, "refresh_token": token, "password": "four otters in a boat"}
        assert (await post(http, path, body)).status_code in (400, 401)


async def test_a_token_works_once(mfa_user: MfaUser) -> None:
    token = await mfa_user.token()
    assert (await mfa_user.verify(token, code=mfa_user.app.code())).status_code == 200
    mfa_user.app.clock.next_step()
    again = await mfa_user.verify(token, code=mfa_user.app.code())
    assert (again.status_code, error_code(again)) == (401, "MFA_TOKEN_INVALID")


async def test_one_of_many_concurrent_codes_for_one_token_succeeds(mfa_user: MfaUser, database: Database) -> None:
    token, before = await mfa_user.token(), await sessions_of(database, mfa_user.user.email)
    responses = await asyncio.gather(*(mfa_user.verify(token, recovery_code=code) for code in mfa_user.recovery_codes))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 9
    assert await sessions_of(database, mfa_user.user.email) == before + 1
    left = (await mfa_user.user.get("/auth/mfa")).json()["recovery_codes_left"]
    assert left == 9


async def test_expired_token_is_refused_and_deleted(mfa_user: MfaUser, database: Database, jobs: CapturedJobs) -> None:
    token = await mfa_user.token()
    async with database.session() as session:
        await session.execute(
            update(PendingSignIn).values(expires_at=col(PendingSignIn.expires_at) - timedelta(minutes=6))
        )
    response = await mfa_user.verify(token, code=mfa_user.app.code())
    assert (response.status_code, error_code(response)) == (401, "MFA_TOKEN_INVALID")
    async with database.session() as session:
        from undercroft.jobs import enqueue

        await enqueue(session, clean_up)
    await jobs.run_all()
    async with database.read_session() as session:
        assert (await session.scalars(select(PendingSignIn))).all() == []


@pytest.mark.parametrize("token", ["x", "' OR 1=1 --", "\u0000", "é" * 100])
async def test_malformed_token_is_refused(http: httpx.AsyncClient, token: str) -> None:
    response = await post(http, "/mfa/verify", {"mfa_token": token, "code": "123456"})
    assert (response.status_code, error_code(response)) == (401, "MFA_TOKEN_INVALID")


async def test_code_of_another_user_is_refused(mfa_user: MfaUser, http: httpx.AsyncClient, mailbox: Mailbox) -> None:
    eve = await enable_totp(await create_registered_user(http, mailbox), mfa_user.app.clock)
    response = await mfa_user.verify(await mfa_user.token(), code=eve.app.code())
    assert (response.status_code, error_code(response)) == (401, "INVALID_CODE")


async def test_five_wrong_codes_end_the_sign_in_and_notify_the_user(mfa_user: MfaUser, mailbox: Mailbox) -> None:
    await mailbox.list_new()
    token = await mfa_user.token()
    for _ in range(MAX_ATTEMPTS):
        wrong = await mfa_user.verify(token, code=mfa_user.app.wrong())
        assert (wrong.status_code, error_code(wrong)) == (401, "INVALID_CODE")
    late = await mfa_user.verify(token, code=mfa_user.app.code())
    assert (late.status_code, error_code(late)) == (401, "MFA_TOKEN_INVALID")
    assert "Blocked sign-in attempt on your" in (await mailbox.latest(mfa_user.user.email)).subject


async def test_concurrent_guesses_get_no_additional_attempts(mfa_user: MfaUser, database: Database) -> None:
    token = await mfa_user.token()
    wrong = mfa_user.app.wrong()
    responses = await asyncio.gather(*(mfa_user.verify(token, code=wrong) for _ in range(20)))
    codes = [error_code(response) for response in responses]
    assert codes.count("INVALID_CODE") == MAX_ATTEMPTS
    assert codes.count("MFA_TOKEN_INVALID") == 20 - MAX_ATTEMPTS


async def test_repeated_sign_ins_do_not_bypass_the_throttle(
    app: Api, mfa_user: MfaUser, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app.context.get(AuthServices).throttle, "_scale", 1)
    async with make_client(app, ip="203.0.113.9") as attacker:
        codes = []
        for _ in range(PAIR.free_attempts + 1):
            challenge = await sign_in(attacker, mfa_user.user.email)
            if error_code(challenge) == "TOO_MANY_ATTEMPTS":
                codes.append(error_code(challenge))
                break
            token = challenge.json()["error"]["details"]["mfa_token"]
            guess = await post(attacker, "/mfa/verify", {"mfa_token": token, "code": mfa_user.app.wrong()})
            codes.append(error_code(guess))
    assert codes[-1] == "TOO_MANY_ATTEMPTS"
    assert len(codes) <= PAIR.free_attempts + 1
    assert (await mfa_user.verify(await mfa_user.token(), code=mfa_user.app.code())).status_code == 200


async def test_user_deactivated_during_sign_in_is_refused(mfa_user: MfaUser, database: Database) -> None:
    token = await mfa_user.token()
    async with database.session() as session:
        await session.execute(update(User).values(is_active=False))
    response = await mfa_user.verify(token, code=mfa_user.app.code())
    assert (response.status_code, error_code(response)) == (401, "MFA_TOKEN_INVALID")


async def test_cookie_is_set_after_the_second_factor_when_the_sign_in_requested_one(
    mfa_user: MfaUser, app: Api
) -> None:
    async with make_client(app) as browser:
        first = await sign_in(browser, mfa_user.user.email, session="cookie")
        assert error_code(first) == "MFA_REQUIRED"
        assert not browser.cookies
        token = first.json()["error"]["details"]["mfa_token"]
        foreign = {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"}
        refused = await post(browser, "/mfa/verify", {"mfa_token": token, "code": mfa_user.app.code()}, **foreign)
        assert (refused.status_code, error_code(refused)) == (403, "CSRF_FAILED")
        response = await post(browser, "/mfa/verify", {"mfa_token": token, "code": mfa_user.app.code()})
        signed_in = response.json()
        assert signed_in["csrf_token"]
        assert (signed_in["access_token"], signed_in["refresh_token"]) == (None, None)
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
async def test_exactly_one_well_formed_credential_is_required(mfa_user: MfaUser, proof: dict[str, object]) -> None:
    response = await mfa_user.verify(await mfa_user.token(), **proof)
    assert (response.status_code, error_code(response)) == (422, "VALIDATION_ERROR")


async def test_deleted_account_leaves_no_factors(mfa_user: MfaUser, database: Database) -> None:
    body = {"current_password": mfa_user.user.password}
    assert (await mfa_user.user.send("DELETE", "/app/users/me", body)).status_code == 204
    async with database.read_session() as session:
        for table in ("mfa_totps", "mfa_recovery_codes", "mfa_pending_sign_ins", "mfa_passkeys"):
            connection = await session.execute(select(func.count()).select_from(_table(table)))
            assert connection.scalar_one() == 0


def _table(name: str) -> object:
    from sqlmodel import SQLModel

    return SQLModel.metadata.tables[name]


async def test_all_email_templates_render(ada: RegisteredUser) -> None:
    from undercroft.modules import mfa
    from undercroft.providers.email.templates import render

    data = {"what": "A thing", "left": "1", "ip": "192.0.2.1", "passkey": "Blue key", "first": "yes"}
    common = {"app_name": "Undercroft", "public_url": "https://a.example", "unsubscribe_url": None}
    templates = sorted((Path(mfa.__file__).parent / "templates/emails/mfa").glob("*.txt"))
    assert len(templates) == 9
    for template in templates:
        user_data = {"name": "Ada", "when": "now", "reset_link": "https://a.example/reset-password", "link": "x"}
        mail = render(f"mfa/{template.stem}", {**common, **user_data, **data})
        assert "https://a.example/reset-password" in mail.text
        assert "https://a.example/reset-password" in mail.html


async def test_reset_of_the_password_ends_pending_sign_ins_of_that_user_only(
    mfa_user: MfaUser, http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    eve = await enable_totp(await create_registered_user(http, mailbox), mfa_user.app.clock)
    token, token_of_eve = await mfa_user.token(), await eve.token()
    await mailbox.list_new()
    await post(http, "/password/forgot", {"email": mfa_user.user.email})
    mail = await mailbox.latest(mfa_user.user.email)
    body = {"token": mail.token, "password": "four otters on the shore"}
    assert (await post(http, "/password/reset", body)).status_code == 204
    async with database.read_session() as session:
        assert len((await session.scalars(select(PendingSignIn))).all()) == 1

    late = await mfa_user.verify(token, code=mfa_user.app.code())

    assert (late.status_code, error_code(late)) == (401, "MFA_TOKEN_INVALID")
    assert (await eve.verify(token_of_eve, code=eve.app.code())).status_code == 200
