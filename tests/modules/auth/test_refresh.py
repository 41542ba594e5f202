"""Refresh tokens work once."""

import asyncio
from datetime import timedelta

import httpx
import pytest
from sqlmodel import col, select

from tests.modules.auth.people import Mailbox, Person, a_person, code_of, post
from undercroft.core.db import Database, utc_now
from undercroft.core.http.application import Api
from undercroft.modules.auth import refresh as module
from undercroft.modules.auth.client import Client
from undercroft.modules.auth.errors import InvalidRefreshToken, RefreshConflict, TokenReused
from undercroft.modules.auth.models import AuthSession, RefreshToken
from undercroft.modules.auth.refresh import UNSETTLED, RefreshTokens
from undercroft.modules.auth.sessions import Started


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


async def test_who_arrived_before_the_race_was_over_is_told_of_the_conflict_by_another_process_too(
    ada: Person, database: Database
) -> None:
    here, there, early = RefreshTokens(database), RefreshTokens(database), arriving(0)
    await here.refresh(token=ada.refresh_token, client=arriving(0))
    with pytest.raises(RefreshConflict):
        await there.refresh(token=ada.refresh_token, client=early)
    with pytest.raises(TokenReused):
        await there.refresh(token=ada.refresh_token, client=arriving(0))


async def test_of_processes_that_race_one_wins(ada: Person, database: Database) -> None:
    processes = [RefreshTokens(database) for _ in range(6)]
    outcomes = await asyncio.gather(
        *(process.refresh(token=ada.refresh_token, client=arriving(0)) for process in processes for _ in range(5)),
        return_exceptions=True,
    )
    assert sum(isinstance(outcome, Started) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, RefreshConflict) for outcome in outcomes) == 29


async def test_the_winner_answers_only_when_nobody_joins_any_more(
    ada: Person, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ALONE_SECONDS", 60)
    monkeypatch.setattr(module, "LONGEST_SECONDS", 60)
    tokens = RefreshTokens(database)
    winner = asyncio.create_task(tokens.refresh(token=ada.refresh_token, client=arriving(0)))
    async with asyncio.timeout(5):
        while not await used(database):
            await asyncio.sleep(0.001)
    for _ in range(3):
        with pytest.raises(RefreshConflict):
            await tokens.refresh(token=ada.refresh_token, client=arriving(0))
        assert not winner.done()
    monkeypatch.setattr(module, "ALONE_SECONDS", 0)
    async with asyncio.timeout(5):
        assert isinstance(await winner, Started)
    with pytest.raises(TokenReused):
        await tokens.refresh(token=ada.refresh_token, client=arriving(0))


async def test_those_who_joined_a_request_that_failed_fail_like_it(database: Database, app: Api) -> None:
    tokens = RefreshTokens(database)
    outcomes = await asyncio.gather(
        *(tokens.refresh(token="unknown", client=arriving(0)) for _ in range(5)), return_exceptions=True
    )
    assert [type(outcome) for outcome in outcomes] == [InvalidRefreshToken] * 5
    assert tokens._races == {}


async def test_a_winner_that_died_before_it_settled_leaves_a_race_that_ends(ada: Person, database: Database) -> None:
    tokens = RefreshTokens(database)
    winner = asyncio.create_task(tokens.refresh(token=ada.refresh_token, client=arriving(0)))
    async with asyncio.timeout(5):
        while not await used(database):
            await asyncio.sleep(0.001)
    winner.cancel()
    with pytest.raises(asyncio.CancelledError):
        await winner
    with pytest.raises(RefreshConflict):
        await tokens.refresh(token=ada.refresh_token, client=arriving(UNSETTLED.total_seconds() / 2))
    with pytest.raises(TokenReused):
        await tokens.refresh(token=ada.refresh_token, client=arriving(UNSETTLED.total_seconds() + 1))


async def used(database: Database) -> bool:
    async with database.reading() as session:
        moments = await session.scalars(select(col(RefreshToken.used_at)).where(col(RefreshToken.used_at).is_not(None)))
        return bool(moments.all())


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
