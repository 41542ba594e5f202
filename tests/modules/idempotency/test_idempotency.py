"""Requests with an `Idempotency-Key` run once, and retries get the stored response."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from httpx2 import AsyncClient, Response

from tests.modules.idempotency.conftest import StartInstance
from undercroft.app.api import offline_app
from undercroft.core.db import Database, utc_now
from undercroft.core.http.idempotency import IdempotencyMode, get_idempotency_mode, is_secret
from undercroft.core.ids import new_id
from undercroft.jobs import enqueue
from undercroft.modules.idempotency import service
from undercroft.modules.idempotency.tasks import clean_up
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.statements import StatementRecorder
from undercroft.testing.users import make_client

PROJECTS = "/api/v1/app/projects"
SHOP = "/api/v1/app/shop"
BODY = {"name": "Website"}


def key(value: str | None = None) -> dict[str, str]:
    return {"Idempotency-Key": value or new_id().hex}


def assert_refused(response: Response, status: int, code: str) -> None:
    assert response.status_code == status, response.text
    assert response.json()["error"]["code"] == code


def is_replayed(response: Response) -> bool:
    return response.headers.get("idempotency-replayed") == "true"


async def project_count(client: AsyncClient) -> int:
    total: int = (await client.get(PROJECTS)).json()["total"]
    return total


async def stored_keys(database: Database) -> list[Any]:
    async with database.session() as session:
        return await (await session.raw()).fetch("SELECT * FROM idempotency_keys")


async def test_concurrent_requests_create_once_and_get_equal_responses(user: AsyncClient, database: Database) -> None:
    once = key()
    responses = await asyncio.gather(*(user.post(PROJECTS, json=BODY, headers=once) for _ in range(50)))
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert len({response.headers["etag"] + response.headers["location"] for response in responses}) == 1
    assert Counter(map(is_replayed, responses)) == {True: 49, False: 1}
    assert await project_count(user) == 1
    assert len(await stored_keys(database)) == 1


async def test_concurrent_requests_on_two_instances_create_once(
    user: AsyncClient, start_instance: StartInstance
) -> None:
    once, token = key(), {"Authorization": user.headers["authorization"]}
    async with (
        make_client(await start_instance(), **token) as first,
        make_client(await start_instance(), **token) as second,
    ):
        requests = [client.post(PROJECTS, json=BODY, headers=once) for client in (first, second) for _ in range(25)]
        responses = await asyncio.gather(*requests)
    assert {response.status_code for response in responses} == {201}
    assert len({response.content for response in responses}) == 1
    assert Counter(map(is_replayed, responses)) == {True: 49, False: 1}
    assert await project_count(user) == 1


async def test_retry_on_another_instance_gets_the_stored_response(
    user: AsyncClient, start_instance: StartInstance
) -> None:
    once = key()
    first = await user.post(PROJECTS, json=BODY, headers=once)
    async with make_client(await start_instance(), Authorization=user.headers["authorization"]) as other:
        again = await other.post(PROJECTS, json=BODY, headers=once)
    assert (again.status_code, again.content) == (201, first.content)
    assert is_replayed(again)
    assert not is_replayed(first)
    assert {name: again.headers[name] for name in ("etag", "location", "content-type")} == {
        name: first.headers[name] for name in ("etag", "location", "content-type")
    }
    assert again.headers["x-request-id"] != first.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "body"),
    [(PROJECTS, {"name": "Another"}), (f"{PROJECTS}?a=1", BODY), ("/api/v1/app/teams", BODY)],
)
async def test_key_reuse_for_another_request_is_rejected(user: AsyncClient, path: str, body: Any) -> None:
    once = key()
    await user.post(PROJECTS, json=BODY, headers=once)
    assert_refused(await user.post(path, json=body, headers=once), 422, "IDEMPOTENCY_KEY_REUSED")
    assert await project_count(user) == 1


async def test_concurrent_requests_with_different_bodies_create_once(user: AsyncClient) -> None:
    once = key()
    responses = await asyncio.gather(
        *(user.post(PROJECTS, json={"name": f"N{n % 2}"}, headers=once) for n in range(20))
    )
    assert Counter(response.status_code for response in responses) == {201: 10, 422: 10}
    assert await project_count(user) == 1


async def test_keys_of_different_users_are_independent(user: AsyncClient, stranger: AsyncClient) -> None:
    once = key()
    mine = await user.post(PROJECTS, json=BODY, headers=once)
    other = await stranger.post(PROJECTS, json=BODY, headers=once)
    assert other.status_code == 201
    assert other.json()["id"] != mine.json()["id"]
    assert not is_replayed(other)


async def test_keys_of_different_teams_are_independent(user: AsyncClient) -> None:
    once, team = key(), (await user.post("/api/v1/app/teams", json={"name": "Two"})).json()["id"]
    mine = await user.post(PROJECTS, json=BODY, headers=once)
    in_team = await user.post(PROJECTS, json=BODY, headers={**once, "X-Team-ID": team})
    assert (mine.status_code, in_team.status_code) == (201, 201)
    assert in_team.json()["team_id"] == team


async def test_retry_after_sign_out_is_rejected(user: AsyncClient) -> None:
    once = key()
    assert (await user.post(PROJECTS, json=BODY, headers=once)).status_code == 201
    assert (await user.post("/api/v1/auth/logout")).status_code == 204
    assert_refused(await user.post(PROJECTS, json=BODY, headers=once), 401, "SESSION_ENDED")


@pytest.mark.parametrize("bad", ["", "two words", "x" * 256, "\x7f", "é"])
async def test_invalid_key_is_rejected(user: AsyncClient, bad: str) -> None:
    headers = {"Idempotency-Key": bad.encode("latin-1")}
    assert_refused(await user.post(PROJECTS, json=BODY, headers=headers), 422, "IDEMPOTENCY_KEY_INVALID")  # type: ignore[arg-type]
    assert await project_count(user) == 0


async def test_key_of_maximum_length_is_accepted(user: AsyncClient) -> None:
    assert (await user.post(PROJECTS, json=BODY, headers=key("~" * 255))).status_code == 201


async def test_key_and_response_are_not_readable_in_the_database(user: AsyncClient, database: Database) -> None:
    await user.post(PROJECTS, json={"name": "Confidential"}, headers=key("my-own-key"))
    (row,) = await stored_keys(database)
    assert row["response"] is not None
    assert not any(b"onfidential" in value or b"my-own-key" in value for value in row if isinstance(value, bytes))


async def test_validation_error_releases_the_key(user: AsyncClient, database: Database) -> None:
    once = key()
    assert_refused(await user.post(PROJECTS, json={}, headers=once), 422, "VALIDATION_ERROR")
    assert await stored_keys(database) == []
    assert (await user.post(PROJECTS, json=BODY, headers=once)).status_code == 201


@pytest.mark.parametrize(("how", "status"), [("break", 500), ("refuse", 409)])
async def test_rollback_releases_the_key(shop: AsyncClient, database: Database, how: str, status: int) -> None:
    once = key()
    for _ in range(2):
        response = await shop.post(f"{SHOP}/orders/{how}", json=BODY, headers=once)
        assert response.status_code == status
    assert await project_count(shop) == 0
    assert await stored_keys(database) == []


async def test_error_that_commits_releases_the_key(shop: AsyncClient, database: Database) -> None:
    assert_refused(await shop.post(f"{SHOP}/orders/count", json=BODY, headers=key()), 400, "COUNTED")
    assert await project_count(shop) == 1
    assert await stored_keys(database) == []


async def test_waiting_requests_retry_once_after_a_failure(shop: AsyncClient) -> None:
    once = key()
    responses = await asyncio.gather(*(shop.post(f"{SHOP}/orders/once", json=BODY, headers=once) for _ in range(20)))
    assert Counter(response.status_code for response in responses) == {201: 19, 500: 1}
    assert len({response.content for response in responses if response.status_code == 201}) == 1
    assert await project_count(shop) == 1


async def test_stored_response_includes_custom_headers(shop: AsyncClient) -> None:
    once = key()
    first, again = [await shop.post(f"{SHOP}/orders/well", json=BODY, headers=once) for _ in range(2)]
    assert again.headers["x-order"] == first.headers["x-order"]


@pytest.mark.parametrize("how", ["stream", "cookie", "large"])
async def test_request_with_an_unstorable_response_is_not_repeated(
    shop: AsyncClient, database: Database, how: str
) -> None:
    once = key()
    assert (await shop.post(f"{SHOP}/orders/{how}", json=BODY, headers=once)).status_code == 200
    retry = await shop.post(f"{SHOP}/orders/{how}", json=BODY, headers=once)
    assert_refused(retry, 409, "IDEMPOTENCY_RESPONSE_NOT_STORED")
    assert await project_count(shop) == 1
    assert [row["response"] for row in await stored_keys(database)] == [None]


async def test_secret_response_is_returned_once_and_not_stored(shop: AsyncClient, database: Database) -> None:
    once = key()
    responses = await asyncio.gather(*(shop.post(f"{SHOP}/keys", headers=once) for _ in range(20)))
    assert Counter(response.status_code for response in responses) == {200: 1, 409: 19}
    assert_refused(await shop.post(f"{SHOP}/keys", headers=once), 409, "IDEMPOTENCY_SECRET")
    assert [row["response"] for row in await stored_keys(database)] == [None]
    assert await project_count(shop) == 1


async def test_sign_in_issues_tokens_once_for_a_key(client: AsyncClient, database: Database, create_user: Any) -> None:
    from undercroft.core.security import passwords

    account, once = await create_user(), key()
    hashed = await passwords.hash("correct horse battery", subject=account.email)
    async with database.session() as session:
        await (await session.raw()).execute(
            "UPDATE users SET password_hash = $1 WHERE id = $2", hashed, account.user_id
        )
    body = {"email": account.email, "password": "wrong wrong wrong"}
    assert_refused(await client.post("/api/v1/auth/login", json=body, headers=once), 401, "INVALID_CREDENTIALS")
    body["password"] = "correct horse battery"
    assert (await client.post("/api/v1/auth/login", json=body, headers=once)).status_code == 200
    assert_refused(await client.post("/api/v1/auth/login", json=body, headers=once), 409, "IDEMPOTENCY_SECRET")


async def test_route_with_separate_transactions_runs_at_most_once(shop: AsyncClient, database: Database) -> None:
    once = key()
    responses = await asyncio.gather(*(shop.post(f"{SHOP}/apart", json=BODY, headers=once) for _ in range(20)))
    assert {response.status_code for response in responses} == {200}
    assert len({response.content for response in responses}) == 1
    assert await project_count(shop) == 1
    assert len(await stored_keys(database)) == 1


async def test_error_in_a_route_with_separate_transactions_releases_the_key(
    shop: AsyncClient, database: Database
) -> None:
    once = key()
    assert_refused(await shop.post(f"{SHOP}/apart", json={"name": "refused"}, headers=once), 409, "REFUSED")
    assert await stored_keys(database) == []


async def test_crash_in_a_route_with_separate_transactions_keeps_the_key(
    shop: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = key()
    assert (await shop.post(f"{SHOP}/apart", json={"name": "broken"}, headers=once)).status_code == 500
    again = await shop.post(f"{SHOP}/apart", json={"name": "broken"}, headers=once)
    assert_refused(again, 409, "IDEMPOTENCY_IN_PROGRESS")
    assert again.headers["retry-after"] == "1"
    monkeypatch.setattr(service, "utc_now", lambda: utc_now() + timedelta(minutes=2))
    assert_refused(
        await shop.post(f"{SHOP}/apart", json={"name": "broken"}, headers=once), 409, "IDEMPOTENCY_OUTCOME_UNKNOWN"
    )
    assert await project_count(shop) == 1


async def test_wait_for_another_process_is_limited(user: AsyncClient, database: Database) -> None:
    once = key()
    await user.post(PROJECTS, json=BODY, headers=once)
    async with database.session() as session:
        await (await session.raw()).execute("UPDATE idempotency_keys SET outcome = 'running'")
        again = await user.post(PROJECTS, json=BODY, headers=once)
    assert_refused(again, 409, "IDEMPOTENCY_IN_PROGRESS")
    assert int(again.headers["retry-after"]) > 0


async def test_key_is_free_after_its_expiry(
    user: AsyncClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    once = key()
    first = await user.post(PROJECTS, json=BODY, headers=once)
    monkeypatch.setattr(service, "utc_now", lambda: utc_now() + timedelta(hours=23, minutes=59))
    assert is_replayed(await user.post(PROJECTS, json=BODY, headers=once))
    monkeypatch.setattr(service, "utc_now", lambda: utc_now() + timedelta(hours=24, minutes=1))
    again = await user.post(PROJECTS, json={"name": "Other"}, headers=once)
    assert again.status_code == 201
    assert again.json()["id"] != first.json()["id"]
    assert len(await stored_keys(database)) == 1


async def test_clean_up_deletes_expired_keys(user: AsyncClient, database: Database, jobs: CapturedJobs) -> None:
    await user.post(PROJECTS, json=BODY, headers=key())
    await user.post(PROJECTS, json=BODY, headers=key())
    async with database.session() as session:
        await (await session.raw()).execute(
            "UPDATE idempotency_keys SET expires_at = now() "
            "WHERE digest = (SELECT digest FROM idempotency_keys LIMIT 1)"
        )
        job = await enqueue(session, clean_up)
    await jobs.run_all()
    assert (await jobs.get(job.id)).result == {"keys": 1}
    assert len(await stored_keys(database)) == 1


async def test_request_without_the_header_runs_no_key_statement(
    user: AsyncClient, database: Database, statements: StatementRecorder
) -> None:
    await user.post(PROJECTS, json=BODY)
    await statements.clear()
    await user.post(PROJECTS, json=BODY)
    assert not any("idempotency" in sql for sql in await statements.get_all())
    assert await stored_keys(database) == []


async def test_other_methods_ignore_the_header(user: AsyncClient, database: Database) -> None:
    path = f"{PROJECTS}/{(await user.post(PROJECTS, json=BODY)).json()['id']}"
    for _ in range(2):
        assert (await user.patch(path, json={"status": "done"}, headers=key("k"))).status_code == 200
        assert (await user.get(path, headers=key("k"))).status_code == 200
    assert await stored_keys(database) == []


@pytest.mark.usefixtures("test_settings")
def test_routes_that_return_tokens_are_declared_secret() -> None:
    posts = {route.path: route for route in offline_app().routes if "POST" in (getattr(route, "methods", None) or ())}  # type: ignore[attr-defined]
    for path in ("login", "token", "refresh", "verify-email"):
        assert is_secret(posts[f"/api/v1/auth/{path}"])  # type: ignore[arg-type]
    assert get_idempotency_mode(posts[PROJECTS]) is IdempotencyMode.EXACTLY_ONCE  # type: ignore[arg-type]
