"""A live value is read at the start of a process, again after each commit of a change, and survives outages."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import structlog
from sqlalchemy import func, select

from tests.core.tcp_proxy import TcpProxy
from tests.jobs.processes import wait_until
from undercroft.core.context import AppContext, use_context
from undercroft.core.db import Database, ReadSession, Statement
from undercroft.core.db.errors import DatabaseUnavailable
from undercroft.core.errors import CodeError
from undercroft.core.health import ComponentDown
from undercroft.core.live import Live, live
from undercroft.core.live.models import LiveVersion
from undercroft.core.live.process import LiveValues
from undercroft.core.live.versions import delete_versions


@live(default=-1)
async def announcements(session: ReadSession) -> int:
    """The number of versions ever written: any data of the database will do."""
    broken.check()
    return int(await session.scalar(select(func.count()).select_from(LiveVersion)))


@live(default=-1)
async def other(session: ReadSession) -> int:
    return int((await session.fetch(Statement(select(func.count().label("n")).select_from(LiveVersion))))[0]["n"])


class Broken:
    error: Exception | None = None

    def check(self) -> None:
        if self.error is not None:
            raise self.error


broken = Broken()


@pytest.fixture(autouse=True)
def repaired() -> Iterator[None]:
    yield
    broken.error = None


@asynccontextmanager
async def process(database: Database, *values: Live[Any]) -> AsyncIterator[AppContext]:
    """A process with these values, in a context of its own."""
    context = AppContext({})
    with use_context(context):
        running = context.add(LiveValues, LiveValues(database, values))
        await running.start()
        try:
            yield context
        finally:
            await running.stop()


def current(context: AppContext, value: Live[int]) -> int:
    with use_context(context):
        return value.current


async def wait_for(context: AppContext, value: Live[int], expected: int) -> None:
    async def has_arrived() -> bool:
        return current(context, value) == expected

    await wait_until(has_arrived, limit=30)


async def announce(database: Database, value: Live[int]) -> None:
    async with database.session() as session:
        await value.announce(session)


async def test_process_without_live_values_has_the_default() -> None:
    with use_context(AppContext({})):
        assert announcements.current == -1


async def test_change_reaches_every_process_without_a_notification(database: Database) -> None:
    async with process(database, announcements) as first, process(database, announcements) as second:
        assert (current(first, announcements), current(second, announcements)) == (0, 0)
        await announce(database, announcements)
        await wait_for(first, announcements, 1)
        await wait_for(second, announcements, 1)


async def test_only_the_announced_value_is_read_again(database: Database) -> None:
    async with process(database, announcements, other) as context:
        await announce(database, announcements)
        await wait_for(context, announcements, 1)
        assert current(context, other) == 0


async def test_rolled_back_change_is_not_announced(database: Database) -> None:
    async with process(database, announcements) as context:
        with pytest.raises(ZeroDivisionError):
            async with database.session() as session:
                await announcements.announce(session)
                raise ZeroDivisionError
        await announce(database, other)
        await context.get(LiveValues).refresh()
        assert current(context, announcements) == 0


async def test_value_is_read_again_after_its_version_was_deleted(database: Database) -> None:
    await announce(database, announcements)
    async with process(database, announcements) as context:
        assert current(context, announcements) == 1
        async with database.session() as session:
            await delete_versions(session, "test_process.")
        await wait_for(context, announcements, 0)
        await announce(database, announcements)
        await wait_for(context, announcements, 1)


async def test_last_value_stays_during_an_outage_and_changes_after_it(database: Database, database_url: str) -> None:
    async with TcpProxy(database_url) as proxy:
        proxied = Database(database.settings, proxy.url)
        async with process(proxied, announcements) as context:
            with structlog.testing.capture_logs() as logs:
                await proxy.close()
                await announce(database, announcements)

                async def is_reported() -> bool:
                    return any(each["event"] == "live_values.not_refreshed" for each in logs)

                await wait_until(is_reported, limit=30)
                assert current(context, announcements) == 0
                await proxy.open()
                await wait_for(context, announcements, 1)
            assert [each["event"] for each in logs if each["event"].startswith("live_values")] == [
                "live_values.not_refreshed",
                "live_values.refreshed_again",
            ]
        await proxied.close()


async def test_hanging_server_is_abandoned(database: Database, database_url: str) -> None:
    async with TcpProxy(database_url) as proxy:
        proxied = Database(database.settings, proxy.url)
        async with process(proxied, announcements) as context:
            proxy.pause()
            await announce(database, announcements)
            with pytest.raises(DatabaseUnavailable):
                await context.get(LiveValues).refresh()
            await proxy.close()  # what hangs never responds; the next connection works
            proxy.resume()
            await proxy.open()
            await wait_for(context, announcements, 1)
        await proxied.close()


async def test_terminated_connection_is_replaced(database: Database) -> None:
    async with process(database, announcements) as context:
        # Only of this database: other tests use the same server.
        ours = "usename = current_user AND datname = current_database() AND application_name = 'undercroft read'"
        async with database.session() as session:
            terminate = f"SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE {ours}"
            assert await (await session.raw()).fetchval(terminate)
        await announce(database, announcements)
        await wait_for(context, announcements, 1)


async def test_unreadable_value_keeps_the_previous_one_and_is_reported(database: Database) -> None:
    async with process(database, announcements, other) as context:
        values = context.get(LiveValues)
        await values.check()
        broken.error = ValueError("The rows are invalid.")
        with structlog.testing.capture_logs() as logs:
            await announce(database, announcements)
            await announce(database, other)
            await wait_for(context, other, 2)
            await values.refresh()
        assert current(context, announcements) == 0
        assert [each["value"] for each in logs if each["event"] == "live_value.unreadable"] == [announcements.name]
        with pytest.raises(ComponentDown) as down:
            await values.check()
        assert down.value.details == {"unreadable": [announcements.name]}
        broken.error = None
        await wait_for(context, announcements, 2)
        await values.check()


async def test_change_is_passed_on(database: Database) -> None:
    seen: list[int] = []
    watched = Live(announcements.function, -1, seen.append)
    async with process(database, watched) as context:
        await announce(database, watched)
        await wait_for(context, watched, 1)
    assert seen == [0, 1]


async def test_start_fails_if_the_database_is_unavailable(database: Database) -> None:
    unreachable = Database(database.settings, "postgresql://nobody@127.0.0.1:1/nothing")
    with pytest.raises(DatabaseUnavailable):
        async with process(unreachable, announcements):
            pass
    await unreachable.close()


def test_function_that_is_not_async_is_refused() -> None:
    with pytest.raises(CodeError, match="rates must be an async function"):

        @live(default=0)  # type: ignore[arg-type]
        def rates(_session: ReadSession) -> int:
            return 1
