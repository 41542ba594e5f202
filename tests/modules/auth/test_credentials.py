"""Password resets, password and email changes, and account deletion."""

import asyncio
from typing import Any

import httpx2 as httpx
import pytest
from sqlmodel import col, select, update

from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    new_email,
    post,
    register,
    sign_in,
)
from undercroft.core.db import Database
from undercroft.core.events import subscribe
from undercroft.modules.auth.models import MailRequest, MailToken
from undercroft.modules.auth.service.sign_in import SignInService
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.users import UserDeleted
from undercroft.modules.users.models import User
from undercroft.testing import add_declarations

NEW_PASSWORD = "four otters on the shore"


async def profile_status(user: RegisteredUser) -> int:
    return (await user.get("/app/users/me")).status_code


async def request_reset(http: httpx.AsyncClient, email: str) -> httpx.Response:
    return await post(http, "/password/forgot", {"email": email})


async def reset_password(http: httpx.AsyncClient, token: str, password: str = NEW_PASSWORD) -> httpx.Response:
    return await post(http, "/password/reset", {"token": token, "password": password})


async def test_password_reset_by_link_revokes_every_session(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    assert (await request_reset(http, ada.email)).status_code == 202
    mail = await mailbox.latest(ada.email)
    assert (await reset_password(http, mail.token)).status_code == 204
    assert await profile_status(ada) == 401
    assert (await sign_in(http, ada.email, PASSWORD)).status_code == 401
    assert (await sign_in(http, ada.email, NEW_PASSWORD)).status_code == 200
    assert "was reset" in (await mailbox.latest(ada.email)).subject
    assert error_code(await reset_password(http, mail.token)) == "LINK_INVALID"


async def test_reset_request_for_an_unknown_address_returns_the_same_and_sends_nothing(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    unknown = new_email()
    for_known, for_unknown = await request_reset(http, ada.email), await request_reset(http, unknown)
    assert (for_known.status_code, for_known.content) == (for_unknown.status_code, for_unknown.content)
    assert not await mailbox.list_new(unknown)


async def test_concurrent_password_resets_succeed_once_and_revoke_all_links(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    for _ in range(3):
        await request_reset(http, ada.email)
    tokens = [mail.token for mail in await mailbox.list_new(ada.email)]
    responses = await asyncio.gather(*(reset_password(http, token, f"{NEW_PASSWORD} {token[:4]}") for token in tokens))
    assert sorted(response.status_code for response in responses) == [204, 400, 400]


async def test_weak_password_does_not_consume_the_reset_link(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    await request_reset(http, ada.email)
    token = (await mailbox.latest(ada.email)).token
    assert error_code(await reset_password(http, token, "password123")) == "WEAK_PASSWORD"
    assert (await reset_password(http, token)).status_code == 204


async def test_link_of_another_purpose_is_rejected(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    email = new_email()
    await register(http, email)
    to_verify = (await mailbox.latest(email)).token
    await request_reset(http, ada.email)
    to_reset = (await mailbox.latest(ada.email)).token
    assert error_code(await reset_password(http, to_verify)) == "LINK_INVALID"
    assert error_code(await post(http, "/verify-email", {"token": to_reset})) == "LINK_INVALID"
    assert error_code(await post(http, "/email/confirm", {"token": to_reset})) == "LINK_INVALID"


async def change_password(user: RegisteredUser, current: str = PASSWORD, new: str = NEW_PASSWORD) -> httpx.Response:
    return await user.send("POST", "/auth/password/change", {"current_password": current, "new_password": new})


async def test_password_change_revokes_other_sessions_and_links(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    other = await ada.sign_in_again()
    await mailbox.list_new()
    await request_reset(http, ada.email)
    token = (await mailbox.latest(ada.email)).token
    assert error_code(await change_password(ada, current="not the password")) == "WRONG_PASSWORD"
    assert error_code(await change_password(ada, new="short but")) == "WEAK_PASSWORD"
    assert (await change_password(ada)).status_code == 204
    assert (await profile_status(ada), await profile_status(other)) == (200, 401)
    assert (await sign_in(http, ada.email, NEW_PASSWORD)).status_code == 200
    assert error_code(await reset_password(http, token)) == "LINK_INVALID"
    assert "was changed" in (await mailbox.latest(ada.email)).subject


async def test_concurrent_password_changes_succeed_once(ada: RegisteredUser) -> None:
    other = await ada.sign_in_again()
    responses = await asyncio.gather(
        change_password(ada, new=f"{NEW_PASSWORD} one"), change_password(other, new=f"{NEW_PASSWORD} two")
    )
    statuses = sorted(response.status_code for response in responses)
    assert statuses[0] == 204
    assert statuses[1] in (401, 403)


async def request_email_change(user: RegisteredUser, to: str, password: str = PASSWORD) -> httpx.Response:
    return await user.send("POST", "/auth/email/change", {"new_email": to, "current_password": password})


async def confirm_email(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await post(http, "/email/confirm", {"token": token})


async def test_email_changes_after_confirmation_and_the_old_address_is_notified(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    to = new_email()
    assert error_code(await request_email_change(ada, to, "not the password")) == "WRONG_PASSWORD"
    assert (await request_email_change(ada, to)).status_code == 202
    mail = await mailbox.latest(to)
    assert (await ada.get("/app/users/me")).json()["email"] == ada.email
    assert (await confirm_email(http, mail.token)).status_code == 204
    assert (await ada.get("/app/users/me")).json()["email"] == to
    notice = await mailbox.latest(ada.email)
    assert "address" in notice.subject
    assert to in notice.text
    assert (await sign_in(http, to)).status_code == 200
    assert (await sign_in(http, ada.email)).status_code == 401
    assert error_code(await confirm_email(http, mail.token)) == "LINK_INVALID"


async def test_concurrent_confirmations_change_the_address_once(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    new = new_email()
    await request_email_change(ada, new)
    token = (await mailbox.latest(new)).token
    responses = await asyncio.gather(*(confirm_email(http, token) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [204, 400, 400, 400, 400]
    assert {error_code(each) for each in responses if each.status_code == 400} == {"LINK_INVALID"}


async def test_email_change_to_a_taken_address_returns_the_same_and_notifies_its_owner(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    bob = await create_registered_user(http, mailbox)
    await mailbox.list_new()
    free, taken = await request_email_change(ada, new_email()), await request_email_change(ada, bob.email)
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    assert "already" in (await mailbox.latest(bob.email)).subject


@pytest.mark.parametrize("by_reset", [False, True])
async def test_email_change_link_is_revoked_by_a_new_password(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, by_reset: bool
) -> None:
    thief = await ada.sign_in_again()
    to = new_email()
    assert (await request_email_change(thief, to)).status_code == 202
    token = (await mailbox.latest(to)).token
    if by_reset:
        await request_reset(http, ada.email)
        assert (await reset_password(http, (await mailbox.latest(ada.email)).token)).status_code == 204
    else:
        assert (await change_password(ada)).status_code == 204
    assert error_code(await confirm_email(http, token)) == "LINK_INVALID"
    assert (await sign_in(http, ada.email, NEW_PASSWORD)).status_code == 200
    assert (await sign_in(http, to, NEW_PASSWORD)).status_code == 401


async def test_concurrent_links_of_all_purposes_do_not_deadlock(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    for number in range(5):
        to = new_email()
        await request_email_change(ada, to, PASSWORD)
        await request_reset(http, ada.email)
        mails = await mailbox.list_new()
        to_confirm, to_reset = (
            [mail.token for mail in mails if mail.to == recipient][-1] for recipient in (to, ada.email)
        )
        responses = await asyncio.gather(
            confirm_email(http, to_confirm),
            reset_password(http, to_reset, PASSWORD + "!"),
            change_password(ada, new=f"{NEW_PASSWORD} {number}"),
        )
        assert "CONFLICT" not in [error_code(response) for response in responses if response.status_code >= 400]
        ada = await create_registered_user(http, mailbox)


async def test_email_change_fails_when_the_address_was_taken_meanwhile(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    to = new_email()
    await request_email_change(ada, to)
    token = (await mailbox.latest(to)).token
    await create_registered_user(http, mailbox, to)
    response = await confirm_email(http, token)
    assert (response.status_code, error_code(response)) == (409, "EMAIL_TAKEN")
    assert (await ada.get("/app/users/me")).json()["email"] == ada.email


async def test_concurrent_registration_and_email_change_leave_one_owner(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    to = new_email()
    await register(http, to)
    registration = await mailbox.latest(to)
    await request_email_change(ada, to)
    email_change = await mailbox.latest(to)
    responses = await asyncio.gather(
        confirm_email(http, email_change.token), post(http, "/verify-email", {"token": registration.token})
    )
    assert sum(response.is_success for response in responses) == 1, [response.status_code for response in responses]
    async with database.read_session() as session:
        owners = (await session.scalars(select(User).where(col(User.email) == to))).all()
    assert len(owners) == 1


async def test_second_email_change_revokes_the_first(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    first, second = new_email(), new_email()
    await request_email_change(ada, first)
    token = (await mailbox.latest(first)).token
    await request_email_change(ada, second)
    assert error_code(await confirm_email(http, token)) == "LINK_INVALID"
    assert (await confirm_email(http, (await mailbox.latest(second)).token)).status_code == 204


async def delete_account(user: RegisteredUser, password: str = PASSWORD) -> httpx.Response:
    return await user.send("DELETE", "/app/users/me", {"current_password": password})


async def test_account_deletion_removes_data_sessions_and_links_and_frees_the_address(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    await request_email_change(ada, new_email())
    await request_reset(http, ada.email)
    await mailbox.list_new()
    assert error_code(await delete_account(ada, "not the password")) == "WRONG_PASSWORD"
    assert (await delete_account(ada)).status_code == 204
    assert await profile_status(ada) == 401
    assert error_code(await post(http, "/refresh", {"refresh_token": ada.refresh_token})) == "INVALID_REFRESH_TOKEN"
    assert (await sign_in(http, ada.email)).status_code == 401
    async with database.read_session() as session:
        row = (await session.scalars(select(User))).one()
        assert (row.full_name, row.password_hash, row.is_active) == ("", None, False)
        assert ada.email not in row.email
        for model in (AuthSession, MailToken):
            assert (await session.scalars(select(model))).all() == []
    assert "deleted" in (await mailbox.latest(ada.email)).subject
    await create_registered_user(http, mailbox, ada.email)


async def test_account_deletion_rolls_back_when_a_subscriber_fails(
    ada: RegisteredUser,
) -> None:
    @subscribe(UserDeleted)
    async def refuse(_session: Any, _event: UserDeleted) -> None:
        raise refusal

    from undercroft.core.errors import Conflict

    refusal = Conflict("Not yet.")
    with add_declarations(refuse):
        assert (await delete_account(ada)).status_code == 409
    assert await profile_status(ada) == 200


async def test_mail_requests_contain_no_token(http: httpx.AsyncClient, ada: RegisteredUser, database: Database) -> None:
    await request_reset(http, ada.email)
    async with database.read_session() as session:
        query = select(MailRequest).where(col(MailRequest.purpose) == "reset_password")
        (request,) = (await session.scalars(query)).all()
        resets = select(MailToken).where(col(MailToken.purpose) == "reset_password")
        assert (await session.scalars(resets)).all() == []
    assert request.email == ada.email


async def test_malformed_token_returns_422_and_unknown_token_400(http: httpx.AsyncClient) -> None:
    for token in ("", "x" * 513, None, 7):
        assert (await post(http, "/email/confirm", {"token": token})).status_code == 422
    assert (await post(http, "/email/confirm", {"token": "a\u0000b ☃"})).status_code == 400


CHANGES: dict[str, tuple[str, str, dict[str, str]]] = {
    "password": ("POST", "/auth/password/change", {"new_password": NEW_PASSWORD}),
    "address": ("POST", "/auth/email/change", {"new_email": "elsewhere@example.com"}),
    "deletion": ("DELETE", "/app/users/me", {}),
}


@pytest.mark.parametrize("change", CHANGES)
async def test_password_that_was_changed_after_its_verification_is_refused(
    ada: RegisteredUser, database: Database, monkeypatch: pytest.MonkeyPatch, change: str
) -> None:
    verify = SignInService.require_password

    async def verify_before_a_reset(*arguments: Any) -> str:
        verified = await verify(*arguments)
        async with database.session() as session:
            await session.execute(update(User).where(col(User.email) == ada.email).values(password_hash="another"))
        return verified

    monkeypatch.setattr(SignInService, "require_password", verify_before_a_reset)
    method, path, body = CHANGES[change]
    response = await ada.send(method, path, {"current_password": PASSWORD, **body})
    assert (response.status_code, error_code(response)) == (403, "WRONG_PASSWORD")
    async with database.read_session() as session:
        user = (await session.scalars(select(User).where(col(User.email) == ada.email))).one()
        requests = (await session.scalars(select(MailRequest).where(col(MailRequest.user_id) == user.id))).all()
    assert (user.password_hash, user.deleted_at, requests) == ("another", None, [])
