"""Passwords and addresses of those who have an account."""

import asyncio
from typing import Any

import httpx
import pytest
from sqlmodel import col, select

from tests.modules.auth.people import PASSWORD, Mailbox, Person, a_person, code_of, new_address, post, register, sign_in
from undercroft.core.db import Database
from undercroft.modules.auth.models import AuthSession, MailRequest, MailToken
from undercroft.modules.users import UserDeleted
from undercroft.modules.users.models import User

NEW = "four otters on the shore"


async def me(person: Person) -> int:
    return (await person.get("/app/users/me")).status_code


async def forgot(http: httpx.AsyncClient, email: str) -> httpx.Response:
    return await post(http, "/password/forgot", {"email": email})


async def reset(http: httpx.AsyncClient, token: str, password: str = NEW) -> httpx.Response:
    return await post(http, "/password/reset", {"token": token, "password": password})


async def test_a_forgotten_password_is_set_by_mail_and_every_session_ends(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    await mailbox.arrived()
    assert (await forgot(http, ada.email)).status_code == 202
    mail = await mailbox.latest(ada.email)
    assert (await reset(http, mail.token)).status_code == 204
    assert await me(ada) == 401
    assert (await sign_in(http, ada.email, PASSWORD)).status_code == 401
    assert (await sign_in(http, ada.email, NEW)).status_code == 200
    assert "was reset" in (await mailbox.latest(ada.email)).subject
    assert code_of(await reset(http, mail.token)) == "LINK_INVALID"


async def test_forgetting_for_an_unknown_address_looks_the_same_and_sends_nothing(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    unknown = new_address()
    known_answer, unknown_answer = await forgot(http, ada.email), await forgot(http, unknown)
    assert (known_answer.status_code, known_answer.content) == (unknown_answer.status_code, unknown_answer.content)
    assert not await mailbox.arrived(unknown)


async def test_one_link_used_voids_all_that_were_sent_and_of_two_at_once_one_works(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    await mailbox.arrived()
    for _ in range(3):
        await forgot(http, ada.email)
    tokens = [mail.token for mail in await mailbox.arrived(ada.email)]
    answers = await asyncio.gather(*(reset(http, token, f"{NEW} {token[:4]}") for token in tokens))
    assert sorted(answer.status_code for answer in answers) == [204, 400, 400]


async def test_a_weak_new_password_keeps_the_link_alive(http: httpx.AsyncClient, ada: Person, mailbox: Mailbox) -> None:
    await mailbox.arrived()
    await forgot(http, ada.email)
    token = (await mailbox.latest(ada.email)).token
    assert code_of(await reset(http, token, "password123")) == "WEAK_PASSWORD"
    assert (await reset(http, token)).status_code == 204


async def test_a_link_of_one_purpose_serves_no_other(http: httpx.AsyncClient, ada: Person, mailbox: Mailbox) -> None:
    await mailbox.arrived()
    email = new_address()
    await register(http, email)
    to_verify = (await mailbox.latest(email)).token
    await forgot(http, ada.email)
    to_reset = (await mailbox.latest(ada.email)).token
    assert code_of(await reset(http, to_verify)) == "LINK_INVALID"
    assert code_of(await post(http, "/verify-email", {"token": to_reset})) == "LINK_INVALID"
    assert code_of(await post(http, "/email/confirm", {"token": to_reset})) == "LINK_INVALID"


async def change(person: Person, current: str = PASSWORD, new: str = NEW) -> httpx.Response:
    return await person.send("POST", "/auth/password/change", {"current_password": current, "new_password": new})


async def test_a_changed_password_ends_all_other_sessions_and_voids_links(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    other = await ada.sign_in_again()
    await mailbox.arrived()
    await forgot(http, ada.email)
    token = (await mailbox.latest(ada.email)).token
    assert code_of(await change(ada, current="not the password")) == "WRONG_PASSWORD"
    assert code_of(await change(ada, new="short but")) == "WEAK_PASSWORD"
    assert (await change(ada)).status_code == 204
    assert (await me(ada), await me(other)) == (200, 401)
    assert (await sign_in(http, ada.email, NEW)).status_code == 200
    assert code_of(await reset(http, token)) == "LINK_INVALID"
    assert "was changed" in (await mailbox.latest(ada.email)).subject


async def test_of_two_changes_at_once_the_second_knows_only_an_old_password(ada: Person) -> None:
    other = await ada.sign_in_again()
    answers = await asyncio.gather(change(ada, new=f"{NEW} one"), change(other, new=f"{NEW} two"))
    statuses = sorted(answer.status_code for answer in answers)
    assert statuses[0] == 204
    assert statuses[1] in (401, 403)


async def move(person: Person, to: str, password: str = PASSWORD) -> httpx.Response:
    return await person.send("POST", "/auth/email/change", {"new_email": to, "current_password": password})


async def confirm(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await post(http, "/email/confirm", {"token": token})


async def test_an_address_moves_once_it_is_confirmed_and_the_old_one_is_told(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    to = new_address()
    assert code_of(await move(ada, to, "not the password")) == "WRONG_PASSWORD"
    assert (await move(ada, to)).status_code == 202
    mail = await mailbox.latest(to)
    assert (await ada.get("/app/users/me")).json()["email"] == ada.email
    assert (await confirm(http, mail.token)).status_code == 204
    assert (await ada.get("/app/users/me")).json()["email"] == to
    notice = await mailbox.latest(ada.email)
    assert "address" in notice.subject
    assert to in notice.text
    assert (await sign_in(http, to)).status_code == 200
    assert (await sign_in(http, ada.email)).status_code == 401
    assert code_of(await confirm(http, mail.token)) == "LINK_INVALID"


async def test_asking_to_move_to_a_taken_address_tells_nothing_here_and_its_owner_there(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    bob = await a_person(http, mailbox)
    await mailbox.arrived()
    free, taken = await move(ada, new_address()), await move(ada, bob.email)
    assert (free.status_code, free.content) == (taken.status_code, taken.content)
    assert "already" in (await mailbox.latest(bob.email)).subject


@pytest.mark.parametrize("by_mail", [False, True])
async def test_a_link_to_move_is_void_once_the_password_is_another(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox, by_mail: bool
) -> None:
    thief = await ada.sign_in_again()
    to = new_address()
    assert (await move(thief, to)).status_code == 202
    token = (await mailbox.latest(to)).token
    if by_mail:
        await forgot(http, ada.email)
        assert (await reset(http, (await mailbox.latest(ada.email)).token)).status_code == 204
    else:
        assert (await change(ada)).status_code == 204
    assert code_of(await confirm(http, token)) == "LINK_INVALID"
    assert (await sign_in(http, ada.email, NEW)).status_code == 200
    assert (await sign_in(http, to, NEW)).status_code == 401


async def test_links_of_all_kinds_used_at_once_never_wait_for_each_other_in_a_ring(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox
) -> None:
    for turn in range(5):
        to = new_address()
        await move(ada, to, PASSWORD)
        await forgot(http, ada.email)
        mails = await mailbox.arrived()
        to_move, to_reset = ([mail.token for mail in mails if mail.to == whose][-1] for whose in (to, ada.email))
        answers = await asyncio.gather(
            confirm(http, to_move), reset(http, to_reset, PASSWORD + "!"), change(ada, new=f"{NEW} {turn}")
        )
        assert "CONFLICT" not in [code_of(answer) for answer in answers if answer.status_code >= 400]
        ada = await a_person(http, mailbox)


async def test_an_address_taken_in_between_clashes(http: httpx.AsyncClient, ada: Person, mailbox: Mailbox) -> None:
    to = new_address()
    await move(ada, to)
    token = (await mailbox.latest(to)).token
    await a_person(http, mailbox, to)
    answer = await confirm(http, token)
    assert (answer.status_code, code_of(answer)) == (409, "EMAIL_TAKEN")
    assert (await ada.get("/app/users/me")).json()["email"] == ada.email


async def test_a_registration_and_a_move_to_one_address_at_once_make_one_owner(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox, database: Database
) -> None:
    to = new_address()
    await register(http, to)
    registration = await mailbox.latest(to)
    await move(ada, to)
    moving = await mailbox.latest(to)
    answers = await asyncio.gather(
        confirm(http, moving.token), post(http, "/verify-email", {"token": registration.token})
    )
    assert sum(answer.is_success for answer in answers) == 1, [answer.status_code for answer in answers]
    async with database.reading() as session:
        owners = (await session.scalars(select(User).where(col(User.email) == to))).all()
    assert len(owners) == 1


async def test_a_second_request_to_move_voids_the_first(http: httpx.AsyncClient, ada: Person, mailbox: Mailbox) -> None:
    first, second = new_address(), new_address()
    await move(ada, first)
    token = (await mailbox.latest(first)).token
    await move(ada, second)
    assert code_of(await confirm(http, token)) == "LINK_INVALID"
    assert (await confirm(http, (await mailbox.latest(second)).token)).status_code == 204


async def give_up(person: Person, password: str = PASSWORD) -> httpx.Response:
    return await person.send("DELETE", "/app/users/me", {"current_password": password})


async def test_a_deleted_account_leaves_no_name_no_session_no_link_and_a_free_address(
    http: httpx.AsyncClient, ada: Person, mailbox: Mailbox, database: Database
) -> None:
    await move(ada, new_address())
    await forgot(http, ada.email)
    await mailbox.arrived()
    assert code_of(await give_up(ada, "not the password")) == "WRONG_PASSWORD"
    assert (await give_up(ada)).status_code == 204
    assert await me(ada) == 401
    assert code_of(await post(http, "/refresh", {"refresh_token": ada.refresh_token})) == "INVALID_REFRESH_TOKEN"
    assert (await sign_in(http, ada.email)).status_code == 401
    async with database.reading() as session:
        row = (await session.scalars(select(User))).one()
        assert (row.full_name, row.password_hash, row.is_active) == ("", None, False)
        assert ada.email not in row.email
        for model in (AuthSession, MailToken):
            assert (await session.scalars(select(model))).all() == []
    assert "deleted" in (await mailbox.latest(ada.email)).subject
    await a_person(http, mailbox, ada.email)


async def test_deleting_is_told_to_whoever_listens_in_the_same_transaction(
    ada: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    from undercroft.core import events

    async def refuse(_session: Any, _event: UserDeleted) -> None:
        raise events_refused

    from undercroft.core.errors import Conflict

    events_refused = Conflict("Not yet.")
    monkeypatch.setitem(events._subscribers, UserDeleted, [*events._subscribers[UserDeleted], refuse])
    assert (await give_up(ada)).status_code == 409
    assert await me(ada) == 200


async def test_mail_requests_hold_no_token(http: httpx.AsyncClient, ada: Person, database: Database) -> None:
    await forgot(http, ada.email)
    async with database.reading() as session:
        wanted = select(MailRequest).where(col(MailRequest.purpose) == "reset_password")
        (request,) = (await session.scalars(wanted)).all()
        resets = select(MailToken).where(col(MailToken.purpose) == "reset_password")
        assert (await session.scalars(resets)).all() == []
    assert request.email == ada.email


async def test_unsendable_json_is_told_apart_from_a_wrong_link(http: httpx.AsyncClient) -> None:
    for token in ("", "x" * 513, None, 7):
        assert (await post(http, "/email/confirm", {"token": token})).status_code == 422
    assert (await post(http, "/email/confirm", {"token": "a\u0000b ☃"})).status_code == 400
