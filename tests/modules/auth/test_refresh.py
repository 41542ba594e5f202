"""Refresh tokens work once."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlmodel import col, select

from tests.modules.auth.people import Mailbox, Person, a_person, code_of, post
from undercroft.core.db import Database, utc_now
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import RefreshConflict, TokenReused
from undercroft.modules.auth.models import AuthSession, RefreshToken
from undercroft.modules.auth.refresh import UNSETTLED, refresh


async def refreshed(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await post(http, "/refresh", {"refresh_token": token})


async def me(http: httpx.AsyncClient, access_token: str) -> int:
    answer = await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {access_token}"})
    return answer.status_code


def arriving(seconds: float) -> Client:
    return Client("192.0.2.1", "tests", utc_now() + timedelta(seconds=seconds))


async def test_a_refresh_gives_a_pair_that_works(http: httpx.AsyncClient, ada: Person) -> None:
    pair = (await refreshed(http, ada.refresh_token)).json()
    assert pair["refresh_token"] != ada.refresh_token
    assert await me(http, pair["access_token"]) == 200
    assert (await refreshed(http, pair["refresh_token"])).status_code == 200


async def test_a_reused_token_ends_the_whole_family_and_the_database_knows(
    http: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    pair = (await refreshed(http, ada.refresh_token)).json()
    answer = await refreshed(http, ada.refresh_token)
    assert (answer.status_code, code_of(answer)) == (401, "TOKEN_REUSED")
    assert await me(http, pair["access_token"]) == 401
    assert await me(http, ada.access_token) == 401
    assert (await refreshed(http, pair["refresh_token"])).status_code == 401
    async with database.reading() as session:
        assert await session.scalar(select(col(AuthSession.revoked_at))) is not None


async def test_other_sessions_of_the_person_outlive_a_reuse(http: httpx.AsyncClient, ada: Person) -> None:
    other = await ada.sign_in_again()
    await refreshed(http, ada.refresh_token)
    await refreshed(http, ada.refresh_token)
    assert await me(http, other.access_token) == 200


async def test_of_fifty_parallel_refreshes_one_wins_and_nobody_is_signed_out(
    http: httpx.AsyncClient, ada: Person
) -> None:
    answers = await asyncio.gather(*(refreshed(http, ada.refresh_token) for _ in range(50)))
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 49
    assert {code_of(answer) for answer in answers if answer.status_code == 409} == {"REFRESH_CONFLICT"}
    (won,) = (answer.json() for answer in answers if answer.status_code == 200)
    assert await me(http, won["access_token"]) == 200
    following = await refreshed(http, won["refresh_token"])
    assert following.status_code == 200
    assert code_of(await refreshed(http, ada.refresh_token)) == "TOKEN_REUSED"
    assert await me(http, following.json()["access_token"]) == 401


async def test_who_arrived_before_the_winner_had_committed_is_told_of_the_conflict(
    ada: Person, database: Database
) -> None:
    early = arriving(0)
    await refresh(database, token=ada.refresh_token, client=arriving(0))
    with pytest.raises(RefreshConflict):
        await refresh(database, token=ada.refresh_token, client=early)
    with pytest.raises(TokenReused):
        await refresh(database, token=ada.refresh_token, client=arriving(0))


async def test_a_winner_that_died_before_it_settled_leaves_a_race_that_ends(ada: Person, database: Database) -> None:
    await refresh(database, token=ada.refresh_token, client=arriving(0))
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_refresh_tokens SET settled_at = NULL")
    with pytest.raises(RefreshConflict):
        await refresh(database, token=ada.refresh_token, client=arriving(UNSETTLED.total_seconds() / 2))
    with pytest.raises(TokenReused):
        await refresh(database, token=ada.refresh_token, client=arriving(UNSETTLED.total_seconds() + 1))


async def test_tokens_of_strangers_and_ended_sessions_are_refused(http: httpx.AsyncClient, ada: Person) -> None:
    assert code_of(await refreshed(http, "x" * 43)) == "INVALID_REFRESH_TOKEN"
    assert code_of(await refreshed(http, "snow ☃")) == "INVALID_REFRESH_TOKEN"
    assert (await post(http, "/logout", {"refresh_token": ada.refresh_token})).status_code == 204
    assert code_of(await refreshed(http, ada.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert await me(http, ada.access_token) == 401


async def test_a_session_ends_when_it_was_not_used_for_long(
    http: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_sessions SET expires_at = now() - interval '1 second'")
    assert code_of(await refreshed(http, ada.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert await me(http, ada.access_token) == 401


async def test_use_moves_the_end_of_a_session_but_never_beyond_its_last_day(
    http: httpx.AsyncClient, ada: Person, database: Database
) -> None:
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_sessions SET ends_at = now() + interval '1 hour'")
    await refreshed(http, ada.refresh_token)
    async with database.reading() as session:
        row = (await session.execute(select(col(AuthSession.expires_at), col(AuthSession.ends_at)))).one()
    assert row.expires_at == row.ends_at


async def test_a_deactivated_person_cannot_refresh(
    http: httpx.AsyncClient, mailbox: Mailbox, database: Database
) -> None:
    person = await a_person(http, mailbox)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET is_active = false")
    assert code_of(await refreshed(http, person.refresh_token)) == "INVALID_REFRESH_TOKEN"


async def test_refresh_tokens_are_kept_only_as_hashes(ada: Person, database: Database) -> None:
    async with database.reading() as session:
        hashes = (await session.scalars(select(col(RefreshToken.token_hash)))).all()
    assert all(len(each) == 32 for each in hashes)
    assert ada.refresh_token.encode() not in hashes
