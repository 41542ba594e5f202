"""Administration of a user's sessions and credentials."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from httpx2 import AsyncClient

from tests.modules.auth.users import PASSWORD, Mailbox, RegisteredUser, error_code, new_email, post, sign_in
from undercroft.core import audit
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Session
from undercroft.core.http.application import Api
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]

NEW_PASSWORD = "four otters on the shore"


async def user_path(user: RegisteredUser) -> str:
    return f"/api/v1/admin/users/{(await user.get('/app/users/me')).json()['id']}"


@pytest.fixture
def recorded_entries(app: Api) -> Iterator[list[audit.Entry]]:
    entries: list[audit.Entry] = []
    trail = app.context.get(audit.AuditTrail)
    table: Any = trail.sink

    class Sink:
        async def write(self, session: Session, entry: audit.Entry) -> None:
            entries.append(entry)
            await table.write(session, entry)

    trail.sink = Sink()  # type: ignore[assignment]
    yield entries
    trail.sink = table


async def test_administrator_lists_and_revokes_sessions_of_a_user(ada: RegisteredUser, admin: AsyncClient) -> None:
    other = await ada.sign_in_again()
    path = await user_path(ada)
    listed = (await admin.get(f"{path}/sessions")).json()
    assert listed["total"] == 2
    assert not any(each["current"] for each in listed["items"])
    own = (await other.get("/auth/sessions")).json()["items"]
    current = next(each["id"] for each in own if each["current"])
    assert (await admin.delete(f"{path}/sessions/{current}")).status_code == 204
    assert (await other.get("/app/users/me")).status_code == 401
    assert (await ada.get("/app/users/me")).status_code == 200
    again = await admin.delete(f"{path}/sessions/{current}")
    assert (again.status_code, error_code(again)) == (404, "SESSION_NOT_FOUND")
    elsewhere = await admin.delete(f"/api/v1/admin/users/{uuid4()}/sessions/{current}")
    assert (elsewhere.status_code, error_code(elsewhere)) == (404, "USER_NOT_FOUND")


async def test_session_list_runs_the_same_number_of_statements_for_any_length(
    ada: RegisteredUser, admin: AsyncClient, statements: StatementRecorder
) -> None:
    path = await user_path(ada)

    async def cost() -> int:
        """The fewest statements of three requests: one may run while the times of last use are written."""
        counts = []
        for _ in range(3):
            await statements.clear()
            await admin.get(f"{path}/sessions")
            counts.append(len(await statements.get_all()))
        return min(counts)

    before = await cost()
    await ada.sign_in_again()
    assert await cost() == before


async def test_administrator_revokes_all_sessions_and_the_user_can_sign_in_again(
    ada: RegisteredUser, admin: AsyncClient, recorded_entries: list[audit.Entry]
) -> None:
    others = [await ada.sign_in_again() for _ in range(2)]
    path = await user_path(ada)
    recorded_entries.clear()
    assert (await admin.post(f"{path}/sign-out")).json() == {"revoked": 3}
    assert [entry.action for entry in recorded_entries] == ["user.signed_out"]
    for user in (ada, *others):
        assert (await user.get("/app/users/me")).status_code == 401
        assert (await post(ada.http, "/refresh", {"refresh_token": user.refresh_token})).status_code == 401
    recorded_entries.clear()
    assert (await admin.post(f"{path}/sign-out")).json() == {"revoked": 0}
    assert recorded_entries == []
    assert (await sign_in(ada.http, ada.email)).status_code == 200


@pytest.mark.requires_module("api_keys")
async def test_required_password_reset_revokes_all_access_except_the_emailed_link(
    ada: RegisteredUser, admin: AsyncClient, mailbox: Mailbox, recorded_entries: list[audit.Entry]
) -> None:
    path = await user_path(ada)
    key = (await ada.send("POST", "/app/api-keys", {"name": "x"})).json()["key"]
    await post(ada.http, "/password/forgot", {"email": ada.email})
    earlier = (await mailbox.latest(ada.email)).token
    recorded_entries.clear()
    assert (await admin.post(f"{path}/reset-password")).status_code == 204
    assert [entry.action for entry in recorded_entries] == ["user.password_reset_required"]
    assert (await ada.get("/app/users/me")).status_code == 401
    assert (await sign_in(ada.http, ada.email)).status_code == 401
    by_key = await ada.http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {key}"})
    assert by_key.status_code == 401
    assert (await post(ada.http, "/password/reset", {"token": earlier, "password": NEW_PASSWORD})).status_code == 400
    mail = await mailbox.latest(ada.email)
    assert "administrator" in mail.text
    assert (await post(ada.http, "/password/reset", {"token": mail.token, "password": NEW_PASSWORD})).status_code == 204
    assert (await sign_in(ada.http, ada.email, PASSWORD)).status_code == 401
    assert (await sign_in(ada.http, ada.email, NEW_PASSWORD)).status_code == 200


@pytest.mark.parametrize("act", ["reset-password", "deactivate"])
async def test_email_change_is_revoked_by_a_required_reset_or_deactivation(
    ada: RegisteredUser, admin: AsyncClient, mailbox: Mailbox, act: str
) -> None:
    path, to = await user_path(ada), new_email()
    await ada.send("POST", "/auth/email/change", {"new_email": to, "current_password": PASSWORD})
    token = (await mailbox.latest(to)).token
    assert (await admin.post(f"{path}/{act}")).status_code in (200, 204)
    assert error_code(await post(ada.http, "/email/confirm", {"token": token})) == "LINK_INVALID"
    assert (await admin.get(path)).json()["email"] == ada.email


async def test_required_reset_revokes_sessions_of_concurrent_sign_ins(ada: RegisteredUser, admin: AsyncClient) -> None:
    path = await user_path(ada)
    responses = await asyncio.gather(
        admin.post(f"{path}/reset-password"), *(sign_in(ada.http, ada.email) for _ in range(5))
    )
    assert responses[0].status_code == 204
    for response in responses[1:]:
        token = response.json().get("access_token", "nothing")
        me = await ada.http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {token}"})
        assert me.status_code == 401


@pytest.mark.parametrize("role", [PlatformRole.ADMIN, PlatformRole.SUPERADMIN])
async def test_administrator_cannot_change_users_of_the_same_or_a_higher_role(
    create_user: CreateUser, admin: AsyncClient, role: PlatformRole
) -> None:
    user = await create_user(role=role)
    path = f"/api/v1/admin/users/{user.user_id}"
    session = (await user.client.get("/api/v1/auth/sessions")).json()["items"][0]["id"]
    for method, rest in (("POST", "/sign-out"), ("POST", "/reset-password"), ("DELETE", f"/sessions/{session}")):
        response = await admin.request(method, path + rest)
        assert (response.status_code, error_code(response)) == (403, "ROLE_TOO_WEAK")
    assert (await user.client.get("/api/v1/app/users/me")).status_code == 200


async def test_session_administration_requires_an_administrator(
    user: AsyncClient, client: AsyncClient, ada: RegisteredUser
) -> None:
    path = await user_path(ada)
    for method, rest in (("GET", "/sessions"), ("POST", "/sign-out"), ("POST", "/reset-password")):
        assert (await user.request(method, path + rest)).status_code == 403
        assert (await client.request(method, path + rest)).status_code == 401
    for rest in ("/sign-out", "/reset-password"):
        response = await ada.http.post(f"/api/v1/admin/users/{uuid4()}{rest}", headers=ada.bearer)
        assert response.status_code == 403


async def test_administrator_sets_whether_an_email_is_verified(
    ada: RegisteredUser, admin: AsyncClient, recorded_entries: list[audit.Entry]
) -> None:
    path = await user_path(ada)
    recorded_entries.clear()
    assert (await admin.patch(path, json={"email_verified": False})).json()["email_verified"] is False
    assert (await ada.get("/app/users/me")).json()["email_verified"] is False
    assert (await admin.patch(path, json={"email_verified": True})).json()["email_verified"] is True
    assert len(recorded_entries) == 2
