"""Registration and email verification."""

import asyncio

import httpx2 as httpx
from sqlalchemy import func, select
from sqlmodel import col

from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    error_code,
    new_email,
    post,
    register,
    sign_in,
)
from undercroft.core.db import Database
from undercroft.modules.auth.models import MailToken, Registration
from undercroft.modules.users.models import User
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.statements import StatementRecorder


async def count(database: Database, model: type) -> int:
    async with database.read_session() as session:
        return int(await session.scalar(select(func.count()).select_from(model)))


async def test_registration_and_verification_sign_in(http: httpx.AsyncClient, mailbox: Mailbox) -> None:
    email = new_email()
    assert (await register(http, email)).status_code == 202
    mail = await mailbox.latest(email)
    assert "Confirm" in mail.subject
    response = await post(http, "/verify-email", {"token": mail.token})
    assert response.status_code == 200
    assert response.json()["session"] == "bearer"
    assert response.json()["user"]["email"] == email
    assert response.json()["csrf_token"] is None
    assert response.json()["expires_in"] == 900
    me = await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {response.json()['access_token']}"})
    assert me.json()["email"] == email
    assert me.json()["email_verified"] is True
    assert me.json()["full_name"] == "Ada Lovelace"
    assert [mail.subject for mail in await mailbox.list_new(email)] == ["Welcome to Undercroft"]


async def test_verification_leaves_the_registration_of_another_address(
    http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    first, second = new_email(), new_email()
    for email in (first, second):
        assert (await register(http, email)).status_code == 202
    for email in (first, second):
        assert (await post(http, "/verify-email", {"token": (await mailbox.latest(email)).token})).status_code == 200
        assert (await sign_in(http, email)).status_code == 200


async def test_sign_in_fails_before_verification(http: httpx.AsyncClient) -> None:
    email = new_email()
    await register(http, email)
    response = await sign_in(http, email)
    assert (response.status_code, error_code(response)) == (401, "INVALID_CREDENTIALS")


async def test_registration_of_a_known_address_returns_the_same_and_sends_a_notice(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, jobs: CapturedJobs, statements: StatementRecorder
) -> None:
    unknown = new_email()
    await statements.clear()
    to_unknown = await register(http, unknown)
    expected = statements.sent
    await statements.clear()
    to_known = await register(http, ada.email)
    assert statements.sent == expected
    assert (to_known.status_code, to_known.json()) == (to_unknown.status_code, to_unknown.json())
    assert {job.task for job in jobs.captured[-2:]} == {"auth.send_verification"}
    assert "already" in (await mailbox.latest(ada.email)).subject
    assert "Confirm" in (await mailbox.latest(unknown)).subject


async def test_concurrent_registrations_create_one_account(
    http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    email = new_email()
    passwords = {f"{PASSWORD} number {number}" for number in range(50)}
    responses = await asyncio.gather(*(register(http, email, password) for password in passwords))
    assert {response.status_code for response in responses} == {202}
    tokens = [mail.token for mail in await mailbox.list_new(email)]
    assert len(set(tokens)) == 50
    opened = await asyncio.gather(*(post(http, "/verify-email", {"token": token}) for token in tokens))
    assert sorted(response.status_code for response in opened) == [200] + [400] * 49
    assert {error_code(response) for response in opened if response.status_code == 400} == {"EMAIL_ALREADY_VERIFIED"}
    accepted = [password for password in passwords if (await sign_in(http, email, password)).status_code == 200]
    assert len(accepted) == 1
    assert await count(database, User) == 1
    assert await count(database, Registration) == 0


async def test_verification_link_works_once_and_expires(
    http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    email, late = new_email(), new_email()
    await register(http, email)
    token = (await mailbox.latest(email)).token
    assert (await post(http, "/verify-email", {"token": token})).status_code == 200
    assert error_code(await post(http, "/verify-email", {"token": token})) == "EMAIL_ALREADY_VERIFIED"
    await register(http, late)
    token = (await mailbox.latest(late)).token
    async with database.session() as session:
        connection = await session.raw()
        await connection.execute("UPDATE auth_mail_tokens SET expires_at = now() - interval '1 second'")
    assert error_code(await post(http, "/verify-email", {"token": token})) == "LINK_INVALID"


async def test_resent_and_first_link_both_work(http: httpx.AsyncClient, mailbox: Mailbox) -> None:
    email, unknown = new_email(), new_email()
    await register(http, email)
    first = await mailbox.latest(email)
    again = await post(http, "/verify-email/resend", {"email": email})
    to_unknown = await post(http, "/verify-email/resend", {"email": unknown})
    assert (again.status_code, again.content) == (to_unknown.status_code, to_unknown.content)
    second = await mailbox.latest(email)
    assert not await mailbox.list_new(unknown)
    assert first.token != second.token
    assert (await post(http, "/verify-email", {"token": first.token})).status_code == 200
    assert (await post(http, "/verify-email", {"token": second.token})).status_code == 400


async def test_job_arguments_and_tables_contain_no_token(
    http: httpx.AsyncClient, mailbox: Mailbox, jobs: CapturedJobs, database: Database
) -> None:
    email = new_email()
    await register(http, email)
    token = (await mailbox.latest(email)).token
    assert [set(job.args) for job in jobs.captured] == [{"registration_id"}]
    async with database.read_session() as session:
        stored = (await session.scalars(select(col(MailToken.token_hash)))).all()
    assert token.encode() not in stored


async def test_weak_passwords_are_rejected_without_composition_rules(http: httpx.AsyncClient) -> None:
    for weak in ("password123", "qwertyuiop", "1234567890", "aaaaaaaaaaaa", "abc12", "x" * 257):
        response = await register(http, new_email(), weak)
        assert response.status_code == 422, weak
        assert weak not in response.text
    assert (await register(http, "ada.lovelace@example.com", "ada.lovelace@example.com")).status_code == 422
    assert (await register(http, new_email(), "onlylowercaseletters")).status_code == 202


async def test_email_addresses_are_case_insensitive(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    assert (await sign_in(http, ada.email.upper())).status_code == 200


async def test_registered_user_has_a_personal_team(ada: RegisteredUser) -> None:
    assert (await ada.get("/app/users/me")).status_code == 200
