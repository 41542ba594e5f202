"""Sessions of the current user."""

import asyncio

import httpx2 as httpx

from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    make_client,
    post,
    sign_in,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.modules import RequestHeaders
from undercroft.modules.sessions.repository.sessions import SessionRepository

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def is_signed_in(user: RegisteredUser) -> bool:
    return (await user.get("/app/users/me")).status_code == 200


async def test_user_lists_own_sessions_with_device_and_ip(app: Api, ada: RegisteredUser) -> None:
    async with make_client(app, ip="2001:db8::7", **{"User-Agent": FIREFOX}) as laptop:
        await sign_in(laptop, ada.email)
    listed = (await ada.get("/auth/sessions")).json()
    assert (listed["total"], listed["page"], listed["pages"]) == (2, 1, 1)
    laptop_session, current = listed["items"]
    assert (laptop_session["device"], laptop_session["ip"]) == ("Firefox on Linux", "2001:db8::7")
    assert (laptop_session["current"], current["current"]) == (False, True)
    page = (await ada.get("/auth/sessions?page=2&size=1")).json()
    assert [item["id"] for item in page["items"]] == [current["id"]]


async def test_user_revokes_one_session_or_all_other_sessions(
    ada: RegisteredUser,
) -> None:
    second, third = await ada.sign_in_again(), await ada.sign_in_again()
    listed = (await second.get("/auth/sessions")).json()["items"]
    (own,) = (item["id"] for item in listed if item["current"])
    assert (await ada.send("DELETE", f"/auth/sessions/{own}")).status_code == 204
    assert [await is_signed_in(each) for each in (ada, second, third)] == [True, False, True]
    assert error_code(await ada.send("DELETE", f"/auth/sessions/{own}")) == "SESSION_NOT_FOUND"
    assert (await ada.send("DELETE", "/auth/sessions")).status_code == 204
    assert [await is_signed_in(each) for each in (ada, third)] == [True, False]


async def test_user_cannot_revoke_the_session_of_another_user(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    bob = await create_registered_user(http, mailbox)
    bob_session_id = (await bob.get("/auth/sessions")).json()["items"][0]["id"]
    for session_id in (bob_session_id, str(new_id())):
        response = await ada.send("DELETE", f"/auth/sessions/{session_id}")
        assert (response.status_code, error_code(response)) == (404, "SESSION_NOT_FOUND")
    assert (await ada.send("DELETE", "/auth/sessions/nonsense")).status_code == 422
    assert await is_signed_in(bob)


async def test_known_ip_is_that_of_one_session_of_its_user(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    bob, second = await create_registered_user(http, mailbox), await ada.sign_in_again()
    (forgotten,) = [each["id"] for each in (await second.get("/auth/sessions")).json()["items"] if each["current"]]
    assert (await ada.send("DELETE", f"/auth/sessions/{forgotten}")).status_code == 204
    (own,), (foreign,) = [(await each.get("/auth/sessions")).json()["items"] for each in (ada, bob)]
    user_id = (await ada.get("/app/users/me")).json()["id"]
    async with database.read_session() as session:
        sessions = SessionRepository(session)
        known = [await sessions.has_known_ip(each, user_id) for each in (own["id"], forgotten, foreign["id"])]
    assert known == [True, False, False]


async def test_sign_out_with_an_access_token_revokes_its_session(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    assert (await ada.send("POST", "/auth/logout")).status_code == 204
    assert not await is_signed_in(ada)
    assert (await http.post("/api/v1/auth/logout")).status_code == 401


async def test_sign_out_with_a_used_or_unknown_token_succeeds(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    for token in (ada.refresh_token, ada.refresh_token, "unknown"):
        assert (await post(http, "/logout", {"refresh_token": token})).status_code == 204
    assert not await is_signed_in(ada)


async def test_sign_out_without_credentials_returns_401_as_documented(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/v1/auth/logout")
    assert (response.status_code, error_code(response)) == (401, "UNAUTHORIZED")
    documented = (await http.get("/openapi.json")).json()["paths"]["/api/v1/auth/logout"]["post"]["responses"]
    assert "401" in documented


async def test_sign_in_accepts_a_long_or_missing_user_agent(app: Api, ada: RegisteredUser) -> None:
    for agent in ("x" * 5000, ""):
        async with make_client(app, **{"User-Agent": agent}) as client:
            assert (await sign_in(client, ada.email)).status_code == 200
    devices = {item["device"] for item in (await ada.get("/auth/sessions")).json()["items"]}
    assert devices == {"x" * 60, "Unknown device", "python-httpx2"}


async def test_sign_in_succeeds_during_a_concurrent_revocation_of_other_sessions(ada: RegisteredUser) -> None:
    ending = ada.send("DELETE", "/auth/sessions")
    signed_in, ended = await asyncio.gather(sign_in(ada.http, ada.email, PASSWORD), ending)
    assert (signed_in.status_code, ended.status_code) == (200, 204)


async def test_module_declares_the_request_headers_that_it_reads(app: Api) -> None:
    assert [header.name for header in app.context.get(RequestHeaders)] == ["X-CSRF-Token", "X-Team-ID"]
