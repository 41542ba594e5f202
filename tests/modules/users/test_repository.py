"""Locks of users against concurrent changes."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.core.db.row_locks import until_waiting
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database, Session
from undercroft.modules.users import EmailTaken, UserRepository
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.users import SignedInUser

Lock = Callable[[Session], Awaitable[Any]]
ADDRESS = "new@example.com"


async def lock_in_own_transaction(database: Database, lock: Lock) -> Any:
    async with database.session() as session:
        return await lock(session)


async def test_reserved_address_is_not_available_to_another_transaction(database: Database, create_user: Any) -> None:
    user: SignedInUser = await create_user()
    async with database.session() as session:
        await UserRepository(session).reserve_email(ADDRESS)
        waiting = asyncio.create_task(
            lock_in_own_transaction(database, lambda other: UserRepository(other).reserve_email(ADDRESS))
        )
        await lock_in_own_transaction(database, lambda other: UserRepository(other).reserve_email("other@example.com"))
        await until_waiting(database)
        await UserRepository(session).update(await UserRepository(session).get(user.user_id), {"email": ADDRESS})
    with pytest.raises(EmailTaken):
        await waiting


async def test_superadmins_are_locked_until_the_transaction_ends(database: Database, create_user: Any) -> None:
    root: SignedInUser = await create_user(role=PlatformRole.SUPERADMIN)
    await create_user(role=PlatformRole.ADMIN)
    async with database.session() as session:
        assert await UserRepository(session).lock_superadmins() == [root.user_id]
        waiting = asyncio.create_task(
            lock_in_own_transaction(database, lambda other: UserRepository(other).lock_superadmins())
        )
        await until_waiting(database)
        await UserRepository(session).update(await UserRepository(session).get(root.user_id), {"is_active": False})
    assert await waiting == []


async def test_user_is_locked_only_with_the_unchanged_password(database: Database, create_user: Any) -> None:
    user, other = await create_user(), await create_user()
    async with database.session() as session:
        users = UserRepository(session)
        for each, password_hash in ((user, "hash of one"), (other, "hash of another")):
            await users.update(await users.get(each.user_id), {"password_hash": password_hash})

        locked = await users.lock_if_password_unchanged(user.user_id, "hash of one")
        assert locked is not None
        assert locked.id == user.user_id
        assert await users.lock_if_password_unchanged(user.user_id, "hash of another") is None
        await users.update(locked, {"is_active": False})
        assert await users.lock_if_password_unchanged(user.user_id, "hash of one") is None


@pytest.mark.requires_module("api_keys")
async def test_email_to_a_deleted_account_is_not_sent(
    database: Database, create_user: Any, jobs: CapturedJobs, mailbox: Any
) -> None:
    user, bystander = await create_user(), await create_user()
    for each in (user, bystander):
        await each.client.post("/api/v1/app/api-keys", json={"name": "Nightly import"})
    async with database.session() as session:
        raw = await session.raw()
        await raw.execute("UPDATE users SET deleted_at = now() WHERE id = $1", user.user_id)
    await jobs.run_all(future=True)

    assert [mail.to for mail in await mailbox.list_new()] == [bystander.email]
    sent = [await jobs.get(job.id) for job in jobs.captured if job.task == "users.send_notification"]
    assert [job.status for job in sent] == ["succeeded", "succeeded"]
