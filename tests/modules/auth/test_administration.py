"""What administrators do about somebody's ways in."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import uuid4

import pytest
from httpx import AsyncClient

from tests.modules.auth.people import PASSWORD, Mailbox, Person, code_of, new_address, post, sign_in
from undercroft.core import audit
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Session
from undercroft.testing.people import Person as SignedIn
from undercroft.testing.statements import Statements

SignIn = Callable[..., Awaitable[SignedIn]]

NEW = "four otters on the shore"


async def path_of(person: Person) -> str:
    return f"/api/v1/admin/users/{(await person.get('/app/users/me')).json()['id']}"


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[audit.Entry]:
    entries: list[audit.Entry] = []

    table: Any = audit._sink

    class Sink:
        async def write(self, session: Session, entry: audit.Entry) -> None:
            entries.append(entry)
            await table.write(session, entry)

    monkeypatch.setattr(audit, "_sink", Sink())
    return entries


async def test_a_persons_sessions_are_seen_and_one_is_ended(ada: Person, admin: AsyncClient) -> None:
    other = await ada.sign_in_again()
    path = await path_of(ada)
    listed = (await admin.get(f"{path}/sessions")).json()
    assert listed["total"] == 2
    assert not any(each["current"] for each in listed["items"])
    own = (await other.get("/auth/sessions")).json()["items"]
    current = next(each["id"] for each in own if each["current"])
    assert (await admin.delete(f"{path}/sessions/{current}")).status_code == 204
    assert (await other.get("/app/users/me")).status_code == 401
    assert (await ada.get("/app/users/me")).status_code == 200
    again = await admin.delete(f"{path}/sessions/{current}")
    assert (again.status_code, code_of(again)) == (404, "SESSION_NOT_FOUND")
    elsewhere = await admin.delete(f"/api/v1/admin/users/{uuid4()}/sessions/{current}")
    assert (elsewhere.status_code, code_of(elsewhere)) == (404, "USER_NOT_FOUND")


async def test_a_list_of_sessions_costs_as_many_statements_however_long(
    ada: Person, admin: AsyncClient, statements: Statements
) -> None:
    path, costs = await path_of(ada), []
    for _ in range(2):
        await ada.sign_in_again()
        await statements.clear()
        await admin.get(f"{path}/sessions")
        costs.append(len(await statements.recorded()))
    assert costs[0] == costs[1]


async def test_somebody_is_signed_out_everywhere_and_may_come_back(
    ada: Person, admin: AsyncClient, written: list[audit.Entry]
) -> None:
    others = [await ada.sign_in_again() for _ in range(2)]
    path = await path_of(ada)
    written.clear()
    assert (await admin.post(f"{path}/sign-out")).json() == {"ended": 3}
    assert [entry.action for entry in written] == ["user.signed_out"]
    for person in (ada, *others):
        assert (await person.get("/app/users/me")).status_code == 401
        assert (await post(ada.http, "/refresh", {"refresh_token": person.refresh_token})).status_code == 401
    written.clear()
    assert (await admin.post(f"{path}/sign-out")).json() == {"ended": 0}
    assert written == []
    assert (await sign_in(ada.http, ada.email)).status_code == 200


async def test_a_required_reset_leaves_no_way_in_but_the_link(
    ada: Person, admin: AsyncClient, mailbox: Mailbox, written: list[audit.Entry]
) -> None:
    path = await path_of(ada)
    key = (await ada.send("POST", "/app/api-keys", {"name": "x"})).json()["key"]
    await post(ada.http, "/password/forgot", {"email": ada.email})
    earlier = (await mailbox.latest(ada.email)).token
    written.clear()
    assert (await admin.post(f"{path}/reset-password")).status_code == 202
    assert [entry.action for entry in written] == ["user.reset_required"]
    assert (await ada.get("/app/users/me")).status_code == 401
    assert (await sign_in(ada.http, ada.email)).status_code == 401
    by_key = await ada.http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {key}"})
    assert by_key.status_code == 401
    assert (await post(ada.http, "/password/reset", {"token": earlier, "password": NEW})).status_code == 400
    mail = await mailbox.latest(ada.email)
    assert "administrator" in mail.text
    assert (await post(ada.http, "/password/reset", {"token": mail.token, "password": NEW})).status_code == 204
    assert (await sign_in(ada.http, ada.email, PASSWORD)).status_code == 401
    assert (await sign_in(ada.http, ada.email, NEW)).status_code == 200


@pytest.mark.parametrize("act", ["reset-password", "deactivate"])
async def test_a_link_to_move_the_account_is_void_once_an_administrator_steps_in(
    ada: Person, admin: AsyncClient, mailbox: Mailbox, act: str
) -> None:
    path, to = await path_of(ada), new_address()
    await ada.send("POST", "/auth/email/change", {"new_email": to, "current_password": PASSWORD})
    token = (await mailbox.latest(to)).token
    assert (await admin.post(f"{path}/{act}")).status_code in (200, 202)
    assert code_of(await post(ada.http, "/email/confirm", {"token": token})) == "LINK_INVALID"
    assert (await admin.get(path)).json()["email"] == ada.email


async def test_signing_in_while_a_reset_is_required_leaves_no_session(ada: Person, admin: AsyncClient) -> None:
    path = await path_of(ada)
    answers = await asyncio.gather(
        admin.post(f"{path}/reset-password"), *(sign_in(ada.http, ada.email) for _ in range(5))
    )
    assert answers[0].status_code == 202
    for answer in answers[1:]:
        token = answer.json().get("access_token", "nothing")
        me = await ada.http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 401


@pytest.mark.parametrize("role", [PlatformRole.ADMIN, PlatformRole.SUPERADMIN])
async def test_an_administrator_does_nothing_to_those_above_or_beside(
    somebody: SignIn, admin: AsyncClient, role: PlatformRole
) -> None:
    person = await somebody(role=role)
    path = f"/api/v1/admin/users/{person.user_id}"
    session = (await person.client.get("/api/v1/auth/sessions")).json()["items"][0]["id"]
    for method, rest in (("POST", "/sign-out"), ("POST", "/reset-password"), ("DELETE", f"/sessions/{session}")):
        answer = await admin.request(method, path + rest)
        assert (answer.status_code, code_of(answer)) == (403, "ROLE_TOO_WEAK")
    assert (await person.client.get("/api/v1/app/users/me")).status_code == 200


async def test_others_have_no_business_here(user: AsyncClient, client: AsyncClient, ada: Person) -> None:
    path = await path_of(ada)
    for method, rest in (("GET", "/sessions"), ("POST", "/sign-out"), ("POST", "/reset-password")):
        assert (await user.request(method, path + rest)).status_code == 403
        assert (await client.request(method, path + rest)).status_code == 401
    for rest in ("/sign-out", "/reset-password"):
        answer = await ada.http.post(f"/api/v1/admin/users/{uuid4()}{rest}", headers=ada.bearer)
        assert answer.status_code == 403


async def test_an_address_counts_as_proven_or_not_as_an_administrator_says(
    ada: Person, admin: AsyncClient, written: list[audit.Entry]
) -> None:
    path = await path_of(ada)
    written.clear()
    assert (await admin.patch(path, json={"email_verified": False})).json()["email_verified"] is False
    assert (await ada.get("/app/users/me")).json()["email_verified"] is False
    assert (await admin.patch(path, json={"email_verified": True})).json()["email_verified"] is True
    assert len(written) == 2
