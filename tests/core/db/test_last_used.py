"""When and from where rows were last used: tracked in memory, written in batches."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from tests.factories import insert_user
from undercroft.core.db import Database, DatabaseSettings, Statement, last_used, utc_now
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.db.last_used import LastUsedTracker
from undercroft.core.ids import new_id
from undercroft.devstack.machine import free_port
from undercroft.modules.users import User


class UserTracker(LastUsedTracker):
    """Writes the address into the name, and the time into the time of the last change."""

    update_statement = Statement(
        text(
            "UPDATE users SET full_name = u.ip || CAST(:suffix AS text), updated_at = u.at FROM unnest("
            "CAST(:ids AS uuid[]), CAST(:at AS timestamptz[]), CAST(:ips AS text[])) AS u(id, at, ip)"
            " WHERE users.id = u.id"
        )
    )

    def extra_values(self) -> dict[str, Any]:
        return {"suffix": "!"}


@pytest.fixture
async def unreachable() -> AsyncIterator[Database]:
    database = Database(DatabaseSettings(database_url=SecretStr(f"postgresql://a@127.0.0.1:{free_port()}/b")))
    yield database
    await database.close()


async def get_name(database: Database, user_id: UUID) -> str:
    async with database.read_session() as session:
        user = await session.get(User, user_id)
        assert user
        return user.full_name


async def test_latest_use_of_each_row_is_written_once(database: Database) -> None:
    used, other, bystander = [(await insert_user(database)).user_id for _ in range(3)]
    tracker = UserTracker()
    for key, ip in ((used, "192.0.2.1"), (other, "192.0.2.2"), (used, "192.0.2.3")):
        tracker.record_use(key, ip)

    assert await tracker.flush(database) == 2
    assert await tracker.flush(database) == 0
    names = [await get_name(database, each) for each in (used, other, bystander)]
    assert names == ["192.0.2.3!", "192.0.2.2!", "Test User"]
    async with database.read_session() as session:
        row = await session.get(User, used)
    assert row
    assert abs(utc_now() - row.updated_at) < timedelta(hours=1)


async def test_remaining_uses_are_written_at_the_stop(database: Database) -> None:
    used = (await insert_user(database)).user_id
    tracker = UserTracker()
    tracker.start(database)
    tracker.record_use(used, "192.0.2.1")

    await tracker.stop(database)
    assert await get_name(database, used) == "192.0.2.1!"


async def test_stop_raises_nothing_when_the_database_is_unavailable(unreachable: Database) -> None:
    tracker = UserTracker()
    tracker.start(unreachable)
    tracker.record_use(new_id(), "192.0.2.1")

    await tracker.stop(unreachable)


async def test_uses_that_could_not_be_written_are_written_later_unless_newer(
    database: Database, unreachable: Database
) -> None:
    used, again = [(await insert_user(database)).user_id for _ in range(2)]

    class UsedDuringFlush(UserTracker):
        def extra_values(self) -> dict[str, Any]:
            self.record_use(again, "192.0.2.3")
            return super().extra_values()

    tracker = UsedDuringFlush()
    tracker.record_use(used, "192.0.2.1")
    tracker.record_use(again, "192.0.2.2")
    with pytest.raises(DatabaseUnavailable):
        await tracker.flush(unreachable)

    assert await tracker.flush(database) == 2
    assert [await get_name(database, each) for each in (used, again)] == ["192.0.2.1!", "192.0.2.3!"]


async def test_number_of_tracked_rows_is_bounded(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(last_used, "MAX_TRACKED", 1)
    tracked, beyond = [(await insert_user(database)).user_id for _ in range(2)]
    tracker = UserTracker()
    for key, ip in ((tracked, "192.0.2.1"), (beyond, "192.0.2.2"), (tracked, "192.0.2.3")):
        tracker.record_use(key, ip)

    assert await tracker.flush(database) == 1
    assert [await get_name(database, each) for each in (tracked, beyond)] == ["192.0.2.3!", "Test User"]
