"""The mechanics of decision hooks: order, amendments, the time limit and errors."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any
from uuid import UUID

import pytest
import structlog
from msgspec import Meta
from msgspec.structs import replace
from sqlalchemy import text

from undercroft.core.db import Database, Session
from undercroft.core.errors import CodeError, Conflict
from undercroft.core.hooks import Deferred, Hook, HookFailed, HookPoint, Hooks, HookTimedOut, before, decide
from undercroft.core.ids import new_id
from undercroft.core.settings import CoreSettings, load, use
from undercroft.testing import add_declarations
from undercroft.testing.components import replace_component

WRITE = text(
    "INSERT INTO teams (id, name, slug, created_at, updated_at)"
    " VALUES (CAST(:id AS uuid), 'left', CAST(:id AS uuid)::text, now(), now())"
)
COUNT = text("SELECT count(*) FROM teams WHERE name = 'left'")


class Booking(HookPoint, frozen=True, kw_only=True):
    guest_id: UUID
    name: Annotated[str, Meta(max_length=10)] = "Ada"
    beds: int = 1

    amendable = ("name", "beds")


class Refused(Conflict):
    code = "REFUSED"
    commits = True


HookFunction = Callable[[Session, Booking], Awaitable[Booking | None]]
POINT = Booking(guest_id=new_id())


def limit(seconds: float) -> None:
    use(load(CoreSettings).model_copy(update={"hook_timeout": seconds}))


@contextmanager
def hooks(*functions: HookFunction) -> Iterator[None]:
    with add_declarations(*(before(Booking)(each) for each in functions)):
        yield


async def call(database: Database) -> Booking:
    async with database.session() as session:
        decided = await decide(session, POINT)
        await session.execute(WRITE, {"id": new_id()})
        return decided


async def count(database: Database) -> int:
    async with database.read_session() as session:
        return int(await session.scalar(COUNT))


async def append(_session: Session, booking: Booking) -> Booking:
    return replace(booking, name=f"{booking.name}a")


async def test_point_without_hooks_is_returned_without_a_statement(database: Database) -> None:
    async with database.session() as session:
        assert await decide(session, POINT) is POINT
        assert session._connection is None


async def test_hooks_run_in_ascending_order_and_see_earlier_amendments(database: Database) -> None:
    def letter(name: str, order: int) -> Hook[Booking]:
        async def hook(_session: Session, booking: Booking) -> Booking:
            return replace(booking, name=booking.name + name)

        return before(Booking, order=order)(hook)

    with add_declarations(letter("d", 5), letter("b", 0), letter("a", -1), letter("c", 0)):
        assert (await call(database)).name == "Adaabcd"


async def test_hook_runs_in_the_transaction_of_the_operation(database: Database) -> None:
    async def reserve(session: Session, _booking: Booking) -> None:
        await session.execute(WRITE, {"id": new_id()})

    with hooks(reserve):
        await call(database)
    assert await count(database) == 2


@pytest.mark.parametrize(("deferrable", "rows"), [(True, 1), (False, 0)])
async def test_deferred_operation_stores_what_hooks_wrote_and_nothing_else(
    database: Database, deferrable: bool, rows: int
) -> None:
    class Stay(HookPoint, frozen=True):
        pass

    Stay.deferrable = deferrable

    @before(Stay)
    async def defer(session: Session, _stay: Stay) -> Stay | None:
        await session.execute(WRITE, {"id": new_id()})
        raise Deferred

    with add_declarations(defer), pytest.raises(Deferred):
        async with database.session() as session:
            await decide(session, Stay())
            await session.execute(WRITE, {"id": new_id()})
    assert await count(database) == rows


async def test_rejection_leaves_no_row_even_if_its_error_class_commits(database: Database) -> None:
    async def refuse(session: Session, _booking: Booking) -> None:
        await session.execute(WRITE, {"id": new_id()})
        raise Refused

    with hooks(refuse), pytest.raises(Refused):
        await call(database)
    assert (await count(database), Refused.commits) == (0, True)


async def rename_guest(_session: Session, booking: Booking) -> Booking:
    return replace(booking, guest_id=new_id())


async def exceed_limit(_session: Session, booking: Booking) -> Booking:
    return replace(booking, name="a" * 11)


async def change_type(_session: Session, booking: Booking) -> Booking:
    return replace(booking, beds="two")


async def return_other(_session: Session, _booking: Booking) -> Any:
    return {"name": "Ada"}


async def raise_error(_session: Session, _booking: Booking) -> None:
    raise ZeroDivisionError("no beds")


async def raise_timeout(_session: Session, _booking: Booking) -> None:
    raise TimeoutError("of another service")


async def cancel_itself(_session: Session, _booking: Booking) -> None:
    raise asyncio.CancelledError


async def use_missing_table(session: Session, _booking: Booking) -> None:
    await session.execute(text("SELECT 1 FROM no_such_table"))


@pytest.mark.parametrize(
    ("hook", "reason"),
    [
        (rename_guest, "changed guest_id. The amendable fields are: name, beds."),
        (exceed_limit, "length <= 10"),
        (change_type, "Expected `int`, got `str`"),
        (return_other, "must return a Booking or None, not dict"),
        (raise_error, "no beds"),
        (raise_timeout, "of another service"),
        (cancel_itself, "was canceled"),
        (use_missing_table, "no_such_table"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
async def test_unexpected_error_fails_the_operation_and_is_logged_with_hook_and_file(
    database: Database, hook: HookFunction, reason: str
) -> None:
    with structlog.testing.capture_logs() as logs, hooks(hook), pytest.raises(HookFailed) as raised:
        await call(database)
    assert (raised.value.status, raised.value.code) == (500, "HOOK_FAILED")
    assert reason in str(raised.value.__cause__)
    (entry,) = [entry for entry in logs if entry["event"] == "hook.failed"]
    assert entry["hook"] == f"{__name__}.{hook.__name__}"
    assert entry["location"].startswith(f"{__file__}:")
    assert await count(database) == 0


async def test_conflict_with_another_transaction_is_not_an_error_of_the_hook(database: Database) -> None:
    from undercroft.core.db.errors import DatabaseConflict

    async def violate(session: Session, _booking: Booking) -> None:
        key = new_id()
        for _ in range(2):
            await session.execute(WRITE, {"id": key})

    with hooks(violate), pytest.raises(DatabaseConflict):
        await call(database)


async def test_slow_hook_is_canceled_and_its_statement_ends(database: Database) -> None:
    canceled = asyncio.Event()

    async def sleep_in_database(session: Session, _booking: Booking) -> None:
        try:
            await session.execute(WRITE, {"id": new_id()})
            await session.execute(text("SELECT pg_sleep(60) /* slow hook */"))
        finally:
            canceled.set()

    limit(0.1)
    with hooks(sleep_in_database), pytest.raises(HookTimedOut) as raised:
        await call(database)
    assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "2")
    assert canceled.is_set()
    assert await count(database) == 0
    async with database.read_session() as session:
        running = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE '%/* slow' || ' hook */'"
        for _ in range(100):
            if await session.scalar(text(running)) == 0:
                return
            await session.scalar(text("SELECT pg_sleep(0.05)"))
    pytest.fail("The statement of the hook is still running.")


async def test_hook_that_ignores_its_cancellation_is_abandoned(database: Database) -> None:
    release, ended = asyncio.Event(), asyncio.Event()
    errors = []

    async def ignore_cancellation(session: Session, _booking: Booking) -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        try:
            await session.execute(WRITE, {"id": new_id()})
        except Exception as error:
            errors.append(error)
        ended.set()

    limit(0.1)
    with hooks(ignore_cancellation):
        async with asyncio.timeout(30):
            with pytest.raises(HookTimedOut):
                await call(database)
    release.set()
    await asyncio.wait_for(ended.wait(), 30)
    assert "session has ended" in str(errors)
    assert await count(database) == 0


async def test_hook_that_ignores_its_cancellation_within_a_statement_cannot_commit(database: Database) -> None:
    finished = asyncio.Event()

    async def retry_forever(session: Session, _booking: Booking) -> None:
        for _ in range(5):
            try:
                await session.execute(WRITE, {"id": new_id()})
                await session.execute(text("SELECT pg_sleep(60)"))
            except (Exception, asyncio.CancelledError):
                continue
        finished.set()

    limit(0.1)
    with hooks(retry_forever), pytest.raises(HookTimedOut):
        await call(database)
    await asyncio.wait_for(finished.wait(), 30)
    assert await count(database) == 0
    await asyncio.gather(*(call(database) for _ in range(20)))  # the pool has only usable connections
    assert await count(database) == 20


async def test_canceled_request_cancels_its_hook(database: Database) -> None:
    started, canceled = asyncio.Event(), asyncio.Event()

    async def wait(_session: Session, _booking: Booking) -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            canceled.set()

    with hooks(wait):
        request = asyncio.create_task(call(database))
        await asyncio.wait_for(started.wait(), 30)
        request.cancel()
        with pytest.raises(asyncio.CancelledError):
            await request
    assert canceled.is_set()


def sync(session: Session, booking: Booking) -> None: ...


async def without_session(booking: Booking) -> None: ...


async def of_another_point(session: Session, booking: Hooks) -> None: ...


@pytest.mark.parametrize("function", [sync, without_session, of_another_point])
def test_function_with_another_signature_is_refused(function: Any) -> None:
    expected = r"async def \w+\(session: Session, booking: Booking\) -> Booking \| None\."
    with pytest.raises(CodeError, match=expected) as raised:
        before(Booking)(function)
    assert raised.value.at is function


@pytest.mark.parametrize("point", [HookPoint, str, append], ids=["base class", "str", "function"])
def test_point_of_another_class_is_refused(point: Any) -> None:
    with pytest.raises(TypeError, match=r"is not a hook point\. Pass one: @before\(SignUp\)"):
        before(point)


async def test_application_without_hooks_decides_nothing(database: Database) -> None:
    with replace_component(Hooks, Hooks()):
        async with database.session() as session:
            assert await decide(session, POINT) is POINT
