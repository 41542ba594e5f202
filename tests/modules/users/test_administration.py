"""Admin routes of users."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import uuid4

import pytest
from httpx2 import AsyncClient, Response
from sqlalchemy import select, update
from sqlmodel import col

from tests.modules.audit.entries import entries
from tests.modules.auth.users import PASSWORD, RegisteredUser, error_code, sign_in
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.modules.users.models import User
from undercroft.testing.users import SignedInUser

CreateUser = Callable[..., Awaitable[SignedInUser]]

USERS = "/api/v1/admin/users"
ME = "/api/v1/app/users/me"


async def patch(client: AsyncClient, user_id: object, **changes: object) -> Response:
    return await client.patch(f"{USERS}/{user_id}", json=changes)


async def test_administrator_lists_and_searches_users(create_user: CreateUser, admin: AsyncClient) -> None:
    for number in range(3):
        await create_user(email=f"otter{number}@example.com")
    page = (await admin.get(USERS, params={"q": "OTTER", "sort": "email", "size": 2})).json()
    assert [item["email"] for item in page["items"]] == ["otter0@example.com", "otter1@example.com"]
    assert (page["total"], page["pages"]) == (3, 2)
    admins = (await admin.get(USERS, params={"role": "admin"})).json()
    assert admins["total"] == 1
    assert (await admin.get(USERS, params={"is_active": "false"})).json()["total"] == 0
    read = await admin.get(f"{USERS}/{page['items'][0]['id']}")
    assert read.json() == page["items"][0]
    assert "password" not in read.text
    first = (await admin.get(USERS, params={"limit": 2})).json()
    second = (await admin.get(USERS, params={"cursor": first["next_cursor"]})).json()
    assert len({item["id"] for item in first["items"] + second["items"]}) == 4


@pytest.mark.parametrize("params", [{"sort": "password_hash"}, {"role": "owner"}, {"size": 1000}, {"cursor": "x"}])
async def test_invalid_list_parameters_are_refused(admin: AsyncClient, params: dict[str, str]) -> None:
    assert (await admin.get(USERS, params=params)).status_code == 422


async def test_access_requires_an_administrator(user: AsyncClient, client: AsyncClient) -> None:
    create_user = f"/{uuid4()}"
    for method, path in (
        ("GET", ""),
        ("GET", create_user),
        ("PATCH", create_user),
        ("POST", f"{create_user}/deactivate"),
    ):
        assert (await user.request(method, USERS + path, json={})).status_code == 403
        assert (await client.request(method, USERS + path, json={})).status_code == 401


async def test_unknown_user_is_not_found(admin: AsyncClient) -> None:
    for method, path in (("GET", ""), ("PATCH", ""), ("POST", "/activate"), ("POST", "/deactivate")):
        response = await admin.request(method, f"{USERS}/{uuid4()}{path}", json={})
        assert (response.status_code, error_code(response)) == (404, "USER_NOT_FOUND")


async def test_deactivation_blocks_the_next_request_and_activation_allows_a_new_sign_in(
    ada: RegisteredUser, admin: AsyncClient
) -> None:
    user_id = (await ada.get("/app/users/me")).json()["id"]
    response = await admin.post(f"{USERS}/{user_id}/deactivate")
    assert response.json()["is_active"] is False
    assert (await ada.get("/app/users/me")).status_code == 401
    assert (await sign_in(ada.http, ada.email)).status_code == 401
    assert (await admin.post(f"{USERS}/{user_id}/deactivate")).status_code == 200
    assert (await admin.post(f"{USERS}/{user_id}/activate")).json()["is_active"] is True
    assert (await ada.get("/app/users/me")).status_code == 401
    assert (await sign_in(ada.http, ada.email, PASSWORD)).status_code == 200


async def test_role_change_applies_to_the_next_request(create_user: CreateUser) -> None:
    root, user = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    assert (await user.client.get(USERS)).status_code == 403
    assert (await patch(root.client, user.user_id, role="admin")).json()["role"] == "admin"
    assert (await user.client.get(USERS)).status_code == 200
    await patch(root.client, user.user_id, role="user")
    assert (await user.client.get(USERS)).status_code == 403


async def test_administrator_cannot_change_or_promote_administrators(create_user: CreateUser) -> None:
    admin, other, root = [
        await create_user(role=role) for role in (PlatformRole.ADMIN, PlatformRole.ADMIN, PlatformRole.SUPERADMIN)
    ]
    user = await create_user()
    for role in ("admin", "superadmin"):
        assert error_code(await patch(admin.client, user.user_id, role=role)) == "ROLE_TOO_WEAK"
        assert error_code(await patch(admin.client, admin.user_id, role=role)) == "ROLE_TOO_WEAK"
    for stronger in (other, root):
        assert error_code(await patch(admin.client, stronger.user_id, full_name="Changed")) == "ROLE_TOO_WEAK"
        assert error_code(await patch(admin.client, stronger.user_id, role="user")) == "ROLE_TOO_WEAK"
        response = await admin.client.post(f"{USERS}/{stronger.user_id}/deactivate")
        assert error_code(response) == "ROLE_TOO_WEAK"
    assert (await patch(admin.client, user.user_id, full_name="Grace")).json()["full_name"] == "Grace"


async def test_last_superadmin_cannot_be_demoted_or_deactivated(
    create_user: CreateUser, database: Database, ada: RegisteredUser
) -> None:
    root = await create_user(role=PlatformRole.SUPERADMIN)
    assert error_code(await patch(root.client, root.user_id, role="admin")) == "LAST_SUPERADMIN"
    assert error_code(await root.client.post(f"{USERS}/{root.user_id}/deactivate")) == "LAST_SUPERADMIN"
    async with database.session() as session:
        await session.execute(update(User).where(col(User.id) == root.user_id).values(role="user"))
        await session.execute(update(User).where(col(User.email) == ada.email).values(role="superadmin"))
    response = await ada.send("DELETE", "/app/users/me", {"current_password": PASSWORD})
    assert (response.status_code, error_code(response)) == (409, "LAST_SUPERADMIN")


async def test_one_superadmin_remains_when_two_demote_each_other_concurrently(
    create_user: CreateUser, database: Database
) -> None:
    first, second = [await create_user(role=PlatformRole.SUPERADMIN) for _ in range(2)]
    responses = await asyncio.gather(
        patch(first.client, second.user_id, role="user"),
        patch(second.client, first.user_id, role="user"),
        first.client.post(f"{USERS}/{first.user_id}/deactivate"),
        second.client.post(f"{USERS}/{second.user_id}/deactivate"),
    )
    assert all(response.status_code < 500 for response in responses)
    async with database.read_session() as session:
        remaining = await session.scalars(select(User).where(col(User.role) == "superadmin", col(User.is_active)))
        assert len(remaining.all()) == 1


async def test_changes_by_administrators_are_audited(create_user: CreateUser, database: Database) -> None:
    root, user = await create_user(role=PlatformRole.SUPERADMIN), await create_user()
    await patch(root.client, user.user_id, role="admin", full_name="Grace")
    await root.client.post(f"{USERS}/{user.user_id}/deactivate")
    await root.client.post(f"{USERS}/{user.user_id}/activate")
    written = [entry for entry in await entries(database) if entry["target_id"] == user.user_id]
    assert [entry["action"] for entry in written] == ["user.role_changed", "user.deactivated", "user.activated"]
    assert {entry["user_id"] for entry in written} == {root.user_id}
    assert (written[0]["before"]["role"], written[0]["after"]["role"]) == ("user", "admin")


async def test_user_list_is_filtered_and_paginated(create_user: CreateUser) -> None:
    root = await create_user(role=PlatformRole.SUPERADMIN, email="otter-root@example.com")
    users = [await create_user(email=f"otter{number}@example.com") for number in range(3)]
    assert (await root.client.post(f"{USERS}/{users[1].user_id}/deactivate")).status_code == 200

    async def list_ids(**params: object) -> list[str]:
        response = await root.client.get(USERS, params={"q": "otter", "sort": "email", **params})
        assert response.status_code == 200, response.text
        return [item["id"] for item in response.json()["items"]]

    ids = [str(user.user_id) for user in (*users, root)]
    all_ids = [str(root.user_id), *ids[:3]]
    assert await list_ids() == all_ids
    assert await list_ids(role="superadmin") == [str(root.user_id)]
    assert await list_ids(role="user", is_active="true") == [ids[0], ids[2]]
    assert await list_ids(is_active="false") == [ids[1]]
    assert await list_ids(size=3, page=2) == all_ids[3:]
    assert await list_ids(size=3, page=3) == []


async def test_deactivated_superadmin_does_not_count_as_another_superadmin(
    create_user: CreateUser, database: Database
) -> None:
    root, other = [await create_user(role=PlatformRole.SUPERADMIN) for _ in range(2)]
    assert (await root.client.post(f"{USERS}/{other.user_id}/deactivate")).status_code == 200
    assert error_code(await patch(root.client, root.user_id, role="user")) == "LAST_SUPERADMIN"
    assert error_code(await root.client.post(f"{USERS}/{root.user_id}/deactivate")) == "LAST_SUPERADMIN"
    assert (await patch(root.client, root.user_id, full_name="Root")).status_code == 200
    assert (await root.client.post(f"{USERS}/{other.user_id}/activate")).status_code == 200
    assert (await patch(root.client, root.user_id, role="user")).json()["role"] == "user"


async def test_change_of_one_user_leaves_the_others(create_user: CreateUser, database: Database) -> None:
    root, user, other = await create_user(role=PlatformRole.SUPERADMIN), await create_user(), await create_user()
    before = (await root.client.get(f"{USERS}/{other.user_id}")).json()
    await patch(root.client, user.user_id, full_name="Grace", role="admin", email_verified=True)
    await root.client.post(f"{USERS}/{user.user_id}/deactivate")
    assert (await root.client.get(f"{USERS}/{other.user_id}")).json() == before
    assert (await other.client.get(ME)).status_code == 200
    changed = (await root.client.get(f"{USERS}/{user.user_id}")).json()
    assert (changed["full_name"], changed["role"], changed["email_verified"]) == ("Grace", "admin", True)
    count = len(await entries(database, action="user.role_changed"))
    await patch(root.client, user.user_id, full_name="Grace", role="admin", email_verified=True)
    assert len(await entries(database, action="user.role_changed")) == count
