"""Rotation and reuse of refresh tokens."""

import asyncio
from datetime import timedelta

import httpx2 as httpx
import pytest
from pydantic import SecretStr
from sqlalchemy import update
from sqlmodel import col, select

from tests.modules.auth.users import Mailbox, RegisteredUser, create_registered_user, error_code, post
from undercroft.core.db import Database
from undercroft.core.ids import new_id
from undercroft.core.security.keyring import keyring
from undercroft.core.security.tokens import derive_token, hash_token
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.sessions.errors import InvalidRefreshToken
from undercroft.modules.sessions.models import AuthSession, RefreshToken
from undercroft.modules.sessions.service.client import Client
from undercroft.modules.sessions.service.refresh import RefreshTokens
from undercroft.modules.sessions.settings import SessionSettings


async def post_refresh(http: httpx.AsyncClient, token: str) -> httpx.Response:
    return await post(http, "/refresh", {"refresh_token": token})


async def profile_status(http: httpx.AsyncClient, access_token: str) -> int:
    response = await http.get("/api/v1/app/users/me", headers={"Authorization": f"Bearer {access_token}"})
    return response.status_code


async def age_tokens(database: Database, span: timedelta) -> None:
    async with database.session() as session:
        await session.execute(update(RefreshToken).values(used_at=col(RefreshToken.used_at) - span))


INTERVAL = timedelta(seconds=10)
CLIENT = Client("192.0.2.1", "tests")


async def test_refresh_returns_a_working_token_pair(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    pair = (await post_refresh(http, ada.refresh_token)).json()
    assert pair["refresh_token"] != ada.refresh_token
    assert await profile_status(http, pair["access_token"]) == 200
    assert (await post_refresh(http, pair["refresh_token"])).status_code == 200


async def test_refresh_token_returns_the_same_successor_within_the_interval(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    first = (await post_refresh(http, ada.refresh_token)).json()
    await age_tokens(database, INTERVAL - timedelta(seconds=2))
    again = await post_refresh(http, ada.refresh_token)
    assert again.status_code == 200
    assert again.json()["refresh_token"] == first["refresh_token"]
    assert await profile_status(http, again.json()["access_token"]) == 200
    assert await count(database) == 2


async def test_refresh_changes_only_its_session(ada: RegisteredUser, database: Database) -> None:
    other = await ada.sign_in_again()
    before = {each["id"]: each for each in (await ada.get("/auth/sessions")).json()["items"]}
    client = Client("198.51.100.7", "another program")
    refreshed = await RefreshTokens(database).refresh(token=ada.refresh_token, client=client)
    after = {each["id"]: each for each in (await other.get("/auth/sessions")).json()["items"]}
    own, (others,) = str(refreshed.session_id), before.keys() - {str(refreshed.session_id)}
    assert (after[own]["ip"], after[own]["device"]) == ("198.51.100.7", "another program")
    assert after[own]["last_seen_at"] > before[own]["last_seen_at"]
    assert after[others] == before[others] | {"current": True}
    async with database.read_session() as session:
        used = (
            await session.scalars(select(col(RefreshToken.token_hash)).where(col(RefreshToken.used_at).is_not(None)))
        ).all()
    assert used == [hash_token(ada.refresh_token)]


async def test_refresh_token_reuse_after_the_interval_revokes_the_session_family(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    other = await ada.sign_in_again()
    pair = (await post_refresh(http, ada.refresh_token)).json()
    await age_tokens(database, INTERVAL)
    response = await post_refresh(http, ada.refresh_token)
    assert (response.status_code, error_code(response)) == (401, "TOKEN_REUSED")
    assert await profile_status(http, pair["access_token"]) == 401
    assert await profile_status(http, ada.access_token) == 401
    assert error_code(await post_refresh(http, pair["refresh_token"])) == "INVALID_REFRESH_TOKEN"
    assert await profile_status(http, other.access_token) == 200
    assert (await post_refresh(http, other.refresh_token)).status_code == 200
    async with database.read_session() as session:
        revoked = (await session.scalars(select(col(AuthSession.revoked_at)))).all()
    assert sorted(revoked_at is None for revoked_at in revoked) == [False, True]


async def test_owner_gets_one_email_when_a_copied_token_is_used(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox, database: Database
) -> None:
    await post_refresh(http, ada.refresh_token)
    await age_tokens(database, INTERVAL)
    for _ in range(2):
        assert error_code(await post_refresh(http, ada.refresh_token)) == "TOKEN_REUSED"
    (mail,) = await mailbox.list_new()
    assert mail.to == ada.email
    assert mail.subject == "A session of your Undercroft account was revoked"
    assert "/reset-password" in mail.text


async def test_retries_do_not_extend_the_reuse_interval(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    await post_refresh(http, ada.refresh_token)
    for _ in range(3):
        await age_tokens(database, INTERVAL / 4)
        assert (await post_refresh(http, ada.refresh_token)).status_code == 200
    await age_tokens(database, INTERVAL / 4)
    assert error_code(await post_refresh(http, ada.refresh_token)) == "TOKEN_REUSED"


async def test_two_holders_share_one_token_chain_until_one_reuses_a_token_after_the_interval(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    second = (await post_refresh(http, ada.refresh_token)).json()["refresh_token"]
    third = (await post_refresh(http, second)).json()["refresh_token"]
    assert (await post_refresh(http, ada.refresh_token)).json()["refresh_token"] == second
    assert (await post_refresh(http, second)).json()["refresh_token"] == third
    await age_tokens(database, INTERVAL)
    fourth = (await post_refresh(http, third)).json()["refresh_token"]
    assert error_code(await post_refresh(http, second)) == "TOKEN_REUSED"
    for token in (third, fourth):
        assert (await post_refresh(http, token)).status_code == 401


async def test_concurrent_refreshes_return_the_same_successor(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    responses = await asyncio.gather(*(post_refresh(http, ada.refresh_token) for _ in range(50)))
    assert {response.status_code for response in responses} == {200}
    (successor,) = {response.json()["refresh_token"] for response in responses}
    assert {await profile_status(http, response.json()["access_token"]) for response in responses[:5]} == {200}
    assert (await post_refresh(http, successor)).status_code == 200
    assert await count(database) == 3


async def test_processes_derive_the_same_successor(ada: RegisteredUser, database: Database) -> None:
    processes = [RefreshTokens(database) for _ in range(3)]
    outcomes = await asyncio.gather(
        *(process.refresh(token=ada.refresh_token, client=CLIENT) for process in processes for _ in range(5))
    )
    assert len({outcome.secret for outcome in outcomes}) == 1


async def test_successor_is_returned_again_after_a_rotation_of_the_secret_key(
    ada: RegisteredUser, database: Database
) -> None:
    before = load(CoreSettings)
    successor = (await RefreshTokens(database).refresh(token=ada.refresh_token, client=CLIENT)).secret
    new = SecretStr("another key of thirty-two characters, at least")
    use(before.model_copy(update={"secret_key": new, "secret_keys": [before.secret_key]}))
    rotated = RefreshTokens(database)
    assert (await rotated.refresh(token=ada.refresh_token, client=CLIENT)).secret == successor
    next_successor = (await rotated.refresh(token=successor, client=CLIENT)).secret
    use(before.model_copy(update={"secret_key": new}))
    without_old_key = RefreshTokens(database)
    with pytest.raises(InvalidRefreshToken):
        await without_old_key.refresh(token=ada.refresh_token, client=CLIENT)
    assert (await without_old_key.refresh(token=successor, client=CLIENT)).secret == next_successor


async def test_successor_depends_on_the_key_the_token_and_the_session(ada: RegisteredUser, database: Database) -> None:
    successor = (await RefreshTokens(database).refresh(token=ada.refresh_token, client=CLIENT)).secret
    key = keyring("refresh tokens").keys[0]
    async with database.read_session() as session:
        session_id = await session.scalar(select(col(AuthSession.id)).limit(1))
    assert successor == derive_token(key, ada.refresh_token, session_id.hex)
    others = [
        derive_token(bytes(32), ada.refresh_token, session_id.hex),
        derive_token(key, ada.refresh_token + "x", session_id.hex),
        derive_token(key, ada.refresh_token, new_id().hex),
        derive_token(key, ada.refresh_token + session_id.hex, ""),
    ]
    assert successor not in others
    assert len(set(others)) == 4


async def test_refresh_of_a_revoked_session_fails_within_the_interval(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    pair = (await post_refresh(http, ada.refresh_token)).json()
    assert (await post(http, "/logout", {"refresh_token": pair["refresh_token"]})).status_code == 204
    assert error_code(await post_refresh(http, ada.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert await count(database) == 2


async def test_reuse_interval_of_zero_allows_no_retry(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    use(load(SessionSettings).model_copy(update={"refresh_reuse_interval": 0}))
    assert (await post_refresh(http, ada.refresh_token)).status_code == 200
    assert error_code(await post_refresh(http, ada.refresh_token)) == "TOKEN_REUSED"


async def count(database: Database) -> int:
    async with database.read_session() as session:
        return len((await session.scalars(select(col(RefreshToken.token_hash)))).all())


async def test_unknown_and_revoked_refresh_tokens_are_rejected(http: httpx.AsyncClient, ada: RegisteredUser) -> None:
    assert error_code(await post_refresh(http, "x" * 43)) == "INVALID_REFRESH_TOKEN"
    assert error_code(await post_refresh(http, "snow ☃")) == "INVALID_REFRESH_TOKEN"
    assert (await post(http, "/logout", {"refresh_token": ada.refresh_token})).status_code == 204
    assert error_code(await post_refresh(http, ada.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert await profile_status(http, ada.access_token) == 401


async def test_session_expires_when_idle(http: httpx.AsyncClient, ada: RegisteredUser, database: Database) -> None:
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_sessions SET expires_at = now() - interval '1 second'")
    assert error_code(await post_refresh(http, ada.refresh_token)) == "INVALID_REFRESH_TOKEN"
    assert await profile_status(http, ada.access_token) == 401


async def test_refresh_extends_a_session_up_to_its_maximum_lifetime(
    http: httpx.AsyncClient, ada: RegisteredUser, database: Database
) -> None:
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE auth_sessions SET ends_at = now() + interval '1 hour'")
    await post_refresh(http, ada.refresh_token)
    async with database.read_session() as session:
        row = (await session.execute(select(col(AuthSession.expires_at), col(AuthSession.ends_at)))).one()
    assert row.expires_at == row.ends_at


async def test_deactivated_user_cannot_refresh(http: httpx.AsyncClient, mailbox: Mailbox, database: Database) -> None:
    user = await create_registered_user(http, mailbox)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE users SET is_active = false")
    assert error_code(await post_refresh(http, user.refresh_token)) == "INVALID_REFRESH_TOKEN"


async def test_refresh_tokens_are_stored_only_as_hashes(ada: RegisteredUser, database: Database) -> None:
    async with database.read_session() as session:
        hashes = (await session.scalars(select(col(RefreshToken.token_hash)))).all()
    assert all(len(each) == 32 for each in hashes)
    assert ada.refresh_token.encode() not in hashes
