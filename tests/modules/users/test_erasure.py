"""After an account is deleted, no table contains a value of its user, and the data of other users is unchanged.

Texts that a user wrote into a shared team (such as the name of a project) belong to the team and stay. Teams without
other members are purged with the account.
"""

from typing import Any

import asyncpg
import httpx2 as httpx
import pytest

from tests.enabled import is_enabled
from tests.modules.auth.users import (
    PASSWORD,
    Mailbox,
    RegisteredUser,
    create_registered_user,
    make_client,
    post,
    register,
    sign_in,
)
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.ids import new_id
from undercroft.core.settings import use
from undercroft.jobs import enqueue
from undercroft.modules.auth.settings import AuthSettings
from undercroft.modules.users.tasks import erase_recently_deleted
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.servers import Servers

TABLES = """
SELECT format('%I', relname) FROM pg_class WHERE relkind IN ('r', 'p') AND NOT relispartition
AND relnamespace = 'public'::regnamespace ORDER BY 1
"""


class MarkedUser:
    """A user with values that appear nowhere else."""

    def __init__(self, mark: str, ip: str) -> None:
        self.mark = mark
        self.ip = ip
        self.addresses = [f"{mark}.{number}@{mark}.example" for number in range(3)]

    @property
    def values(self) -> list[str]:
        return [self.mark, self.ip]


async def count_rows_with(owner_url: str, *values: str) -> dict[str, int]:
    """Count the rows of each table with one of these values, in any column of any type."""
    connection = await asyncpg.connect(owner_url)
    try:
        rows = {}
        for (table,) in await connection.fetch(TABLES):
            counted = f"SELECT count(*) FROM {table} AS t WHERE t::text ILIKE ANY($1)"
            patterns = [f"%{form}%" for value in values for form in (value, value.encode().hex())]
            rows[table] = await connection.fetchval(counted, patterns)
        return {table: count for table, count in rows.items() if count}
    finally:
        await connection.close()


async def use_every_feature(
    http: httpx.AsyncClient, mailbox: Mailbox, marked: MarkedUser, others_team: str, other: RegisteredUser
) -> RegisteredUser:
    """Use every feature that stores something about a user, of the modules that are enabled."""
    mark, (first, second, third) = marked.mark, marked.addresses
    await register(http, first)
    await post(http, "/verify-email/resend", {"email": first})
    member = await create_registered_user(http, mailbox, first)
    if is_enabled("mfa"):
        await use_passkeys(member, mark)
    profile = {"full_name": f"Ada {mark}", "avatar_url": f"https://{mark}.example/a.png", "locale": "de-CH"}
    assert_success(await member.send("PATCH", "/app/users/me", profile))
    for address in (second, third):
        assert_success(await other.send("POST", f"/app/teams/{others_team}/invitations", {"email": member.email}))
        body = {"new_email": address, "current_password": PASSWORD}
        assert_success(await member.send("POST", "/auth/email/change", body))
        token = (await mailbox.latest(address)).token
        assert_success(await member.send("POST", "/auth/email/confirm", {"token": token}))
        member.email = address
    for number in range(8):
        await sign_in(http, third, f"wrong {number}")
    await post(http, "/password/forgot", {"email": third})
    await post(http, "/magic-link", {"email": third})
    assert_success(await other.send("POST", f"/app/teams/{others_team}/invitations", {"email": third}))
    token = (await mailbox.latest(third)).token
    assert_success(await member.send("POST", "/app/invitations/accept", {"token": token}))
    team = assert_success(await member.send("POST", "/app/teams", {"name": f"Team {mark}"}))["id"]
    assert_success(
        await member.send("POST", f"/app/teams/{team}/roles", {"name": "seer", "permissions": ["teams:read"]})
    )
    assert_success(await member.send("PATCH", f"/app/teams/{team}", {"name": f"Other team {mark}"}))
    if is_enabled("api_keys") and is_enabled("projects"):
        await use_api_keys(http, member, mark, team)
    await mailbox.list_new()
    return member


async def use_passkeys(member: RegisteredUser, mark: str) -> None:
    from tests.modules.mfa.conftest import add_passkey

    assert (await add_passkey(member, Authenticator(PUBLIC_URL), f"Key of {mark}")).status_code == 201
    passkey = (await member.get("/auth/passkeys")).json()["items"][0]
    assert_success(await member.send("PATCH", f"/auth/passkeys/{passkey['id']}", {"name": f"Other key of {mark}"}))
    assert_success(await member.send("DELETE", f"/auth/passkeys/{passkey['id']}"))


async def use_api_keys(http: httpx.AsyncClient, member: RegisteredUser, mark: str, team: str) -> None:
    body = {"name": f"API key of {mark}"}
    created = assert_success(await member.send("POST", "/app/api-keys", body, **{"Idempotency-Key": f"key-{mark}"}))
    api_key = {"Authorization": f"Bearer {created['key']}"}
    assert_success(await http.post("/api/v1/app/projects", json={"name": f"Project {mark}"}, headers=api_key))
    assert_success(
        await http.post("/api/v1/app/projects", json={"name": f"P {mark}"}, headers={**api_key, "X-Team-ID": team})
    )


def assert_success(response: httpx.Response) -> Any:
    assert response.is_success, response.text
    return response.json() if response.content else None


@pytest.fixture
def magic_links() -> None:
    use(AuthSettings(magic_links=True))


@pytest.mark.usefixtures("magic_links")
async def test_deletion_erases_the_user_from_every_table_and_no_other_user(
    app: Api,
    mailbox: Mailbox,
    database: Database,
    jobs: CapturedJobs,
    owner_url: str,
    servers: Servers,
    database_name: str,
) -> None:
    user, bystander = (
        MarkedUser(f"zyx{new_id().hex[-10:]}", "203.0.113.77"),
        MarkedUser(f"byx{new_id().hex[-10:]}", "198.51.100.9"),
    )
    http, other_http = (
        make_client(app, ip=each.ip, **{"User-Agent": f"Agent-{each.mark}/9"}) for each in (user, bystander)
    )
    async with http, other_http, make_client(app, ip="192.0.2.200") as owners_http:
        owner = await create_registered_user(owners_http, mailbox)
        team = assert_success(await owner.send("POST", "/app/teams", {"name": "Acme"}))["id"]
        member = await use_every_feature(http, mailbox, user, team, owner)
        await use_every_feature(other_http, mailbox, bystander, team, owner)
        before = await count_rows_with(owner_url, *bystander.values)
        rows = await count_rows_with(owner_url, *user.values)
        assert {"users", "audit_personal", "user_addresses", "teams"} <= rows.keys()
        if is_enabled("api_keys") and is_enabled("projects"):
            assert {"api_keys", "projects"} <= rows.keys()
        assert_success(await member.send("DELETE", "/app/users/me", {"current_password": PASSWORD}))
        assert "deleted" in (await mailbox.latest(user.addresses[2])).subject
    await backdate_deletion(servers, database_name)
    async with database.session() as session:
        await enqueue(session, erase_recently_deleted)
    await jobs.run_all(future=True)
    assert await count_rows_with(owner_url, *user.values) == {}
    assert await count_rows_with(owner_url, *bystander.values) == before


async def backdate_deletion(servers: Servers, database_name: str) -> None:
    """Move the deletion of accounts back by an hour, which no role of the application may do."""
    connection = await asyncpg.connect(servers.with_database(servers.manager_url, database_name))
    await connection.execute("SET session_replication_role = replica")
    await connection.execute("UPDATE users SET deleted_at = now() - interval '1 hour' WHERE deleted_at IS NOT NULL")
    await connection.close()


async def test_address_taken_by_another_account_is_not_erased(
    app: Api, mailbox: Mailbox, database: Database, jobs: CapturedJobs, owner_url: str
) -> None:
    async with make_client(app) as http, make_client(app) as other_http:
        address = f"{new_id().hex[-12:]}@shared.example"
        first = await create_registered_user(http, mailbox, address)
        moved = f"{new_id().hex[-12:]}@moved.example"
        assert_success(
            await first.send("POST", "/auth/email/change", {"new_email": moved, "current_password": PASSWORD})
        )
        token = (await mailbox.latest(moved)).token
        assert_success(await first.send("POST", "/auth/email/confirm", {"token": token}))
        await mailbox.list_new()
        second = await create_registered_user(other_http, mailbox, address)
        owner = await create_registered_user(other_http, mailbox)
        team = assert_success(await owner.send("POST", "/app/teams", {"name": "Acme"}))["id"]
        assert_success(await owner.send("POST", f"/app/teams/{team}/invitations", {"email": address}))
        token = (await mailbox.latest(address)).token
        assert_success(await first.send("DELETE", "/app/users/me", {"current_password": PASSWORD}))
        await jobs.run_all(future=True)
        assert (await count_rows_with(owner_url, moved)).keys() <= {"user_addresses"}
        assert assert_success(await second.send("POST", "/app/invitations/accept", {"token": token}))["id"] == team
        assert "audit_personal" in await count_rows_with(owner_url, address)


async def test_erasure_clears_jobs_of_the_user_and_no_others(
    app: Api, mailbox: Mailbox, database: Database, jobs: CapturedJobs, owner_url: str
) -> None:
    from undercroft.modules import users

    mark, other = f"zyx{new_id().hex[-10:]}", f"byx{new_id().hex[-10:]}"
    async with make_client(app) as http:
        user, bystander = await create_registered_user(http, mailbox), await create_registered_user(http, mailbox)
        ids = [assert_success(await each.get("/app/users/me"))["id"] for each in (user, bystander)]
        async with database.session() as session:
            for user_id, name in zip(ids, (mark, other), strict=True):
                facts = {"passkey": name, "reset_link": "http://test.local", "first": ""}
                await users.notify(session, user_id, "mfa/passkey_added", **facts)
        await mailbox.list_new()
        assert_success(await user.send("DELETE", "/app/users/me", {"current_password": PASSWORD}))
        assert await count_rows_with(owner_url, mark) == {"jobs": 1}
        await jobs.run_all(future=True)
        assert (await count_rows_with(owner_url, mark), await count_rows_with(owner_url, other)) == ({}, {"jobs": 1})
