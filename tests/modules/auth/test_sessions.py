"""One's own sessions."""

import asyncio

import httpx

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
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id

FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


async def is_signed_in(person: RegisteredUser) -> bool:
    return (await person.get("/app/users/me")).status_code == 200


async def test_everybody_sees_their_own_devices(app: Api, ada: RegisteredUser) -> None:
    async with make_client(app, ip="2001:db8::7", **{"User-Agent": FIREFOX}) as laptop:
        await sign_in(laptop, ada.email)
    listed = (await ada.get("/auth/sessions")).json()
    assert (listed["total"], listed["page"], listed["pages"]) == (2, 1, 1)
    laptop_session, current = listed["items"]
    assert (laptop_session["device"], laptop_session["ip"]) == ("Firefox on Linux", "2001:db8::7")
    assert (laptop_session["current"], current["current"]) == (False, True)
    page = (await ada.get("/auth/sessions?page=2&size=1")).json()
    assert [item["id"] for item in page["items"]] == [current["id"]]


async def test_a_revoked_session_ends_with_its_next_request_and_all_others_can_be_ended_at_once(
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


async def test_nobody_ends_the_session_of_another(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    bob = await create_registered_user(http, mailbox)
    bobs = (await bob.get("/auth/sessions")).json()["items"][0]["id"]
    for session_id in (bobs, str(new_id())):
        response = await ada.send("DELETE", f"/auth/sessions/{session_id}")
        assert (response.status_code, error_code(response)) == (404, "SESSION_NOT_FOUND")
    assert (await ada.send("DELETE", "/auth/sessions/nonsense")).status_code == 422
    assert await is_signed_in(bob)


async def test_signing_out_with_an_access_token_ends_its_session(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    assert (await ada.send("POST", "/auth/logout")).status_code == 204
    assert not await is_signed_in(ada)
    assert (await http.post("/api/v1/auth/logout")).status_code == 401


async def test_signing_out_twice_or_with_a_stranger_token_is_no_error(
    http: httpx.AsyncClient, ada: RegisteredUser
) -> None:
    for token in (ada.refresh_token, ada.refresh_token, "unknown"):
        assert (await post(http, "/logout", {"refresh_token": token})).status_code == 204
    assert not await is_signed_in(ada)


async def test_signing_out_nobody_is_refused_as_the_schema_says(http: httpx.AsyncClient) -> None:
    response = await http.post("/api/v1/auth/logout")
    assert (response.status_code, error_code(response)) == (401, "UNAUTHORIZED")
    reported = (await http.get("/openapi.json")).json()["paths"]["/api/v1/auth/logout"]["post"]["responses"]
    assert "401" in reported


async def test_a_thousand_characters_of_device_and_a_missing_one_are_fine(app: Api, ada: RegisteredUser) -> None:
    for agent in ("x" * 5000, ""):
        async with make_client(app, **{"User-Agent": agent}) as client:
            assert (await sign_in(client, ada.email)).status_code == 200
    devices = {item["device"] for item in (await ada.get("/auth/sessions")).json()["items"]}
    assert devices == {"x" * 60, "Unknown device", "python-httpx"}


async def test_a_sign_in_that_races_with_ending_all_others_is_either_ended_or_later(ada: RegisteredUser) -> None:
    ending = ada.send("DELETE", "/auth/sessions")
    signed_in, ended = await asyncio.gather(sign_in(ada.http, ada.email, PASSWORD), ending)
    assert (signed_in.status_code, ended.status_code) == (200, 204)
