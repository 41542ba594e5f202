"""Subscribers that run after the commit, in jobs."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import pytest
from msgspec import Struct
from pydantic import SecretStr
from sqlmodel import select

from undercroft.core.db import Database, Session
from undercroft.core.errors import CodeError, Conflict
from undercroft.core.events import Event, Subscribers, publish, subscribe
from undercroft.core.ids import new_id
from undercroft.jobs import InvalidArguments, Job, JobStatus, current_job
from undercroft.jobs.subscribers import EventArguments, SubscriberTasks
from undercroft.testing import CapturedJobs, add_declarations


class Plan(StrEnum):
    FREE = "free"


class Line(Struct, frozen=True):
    text: str
    count: int = 1


class Ordered(Event, frozen=True):
    order_id: UUID
    at: datetime | None = None
    price: Decimal = Decimal(0)
    plan: Plan = Plan.FREE
    lines: tuple[Line, ...] = ()
    content: bytes = b""
    duration: timedelta = timedelta()
    rate: float = 0


class WithSecret(Event, frozen=True):
    token: SecretStr


class WithObject(Event, frozen=True):
    owners: list[dict[str, Job]]


class WithAnything(Event, frozen=True):
    value: Any


class Undefined(Event, frozen=True):
    value: "Missing"  # type: ignore[name-defined]  # noqa: F821


seen: list[tuple[str, Event]] = []
failures: list[Exception] = []


@subscribe(Ordered)
async def reserve(_session: Session, event: Ordered) -> None:
    seen.append(("in the transaction", event))


@subscribe(Ordered, after_commit=True, retries=2, timeout=7)
async def ship(session: Session, event: Ordered) -> None:
    assert await session.scalar(select(1)) == 1
    if failures:
        raise failures.pop()
    assert current_job().task == ship_name()
    seen.append(("after the commit", event))


def ship_name() -> str:
    return "test_subscribers.ship"


@pytest.fixture(autouse=True)
def declared() -> Iterator[None]:
    seen.clear()
    failures.clear()
    with add_declarations(reserve, ship):
        yield


FULL = Ordered(
    new_id(),
    datetime(2026, 5, 3, 10, tzinfo=UTC),
    Decimal("9.90"),
    Plan.FREE,
    (Line("pen"), Line("ink", 3)),
    b"\x00\xff",
    timedelta(seconds=90),
    0.5,
)


async def test_subscriber_runs_after_the_commit_with_the_same_event(database: Database, jobs: CapturedJobs) -> None:
    async with database.session() as session:
        await publish(session, FULL)
        assert seen == [("in the transaction", FULL)]
    (job,) = jobs.captured
    assert (job.task, job.max_attempts, job.args["order_id"]) == (ship_name(), 3, str(FULL.order_id))
    await jobs.run_all()
    assert seen == [("in the transaction", FULL), ("after the commit", FULL)]
    assert (await jobs.get(job.id)).status == JobStatus.SUCCEEDED


async def test_no_job_exists_when_the_transaction_rolls_back(database: Database, jobs: CapturedJobs) -> None:
    with pytest.raises(Conflict):
        async with database.session() as session:
            await publish(session, FULL)
            raise Conflict
    async with database.read_session() as read_session:
        assert (await read_session.scalars(select(Job))).all() == []
    assert await jobs.run_all() == 0


async def test_failed_subscriber_is_retried(database: Database, jobs: CapturedJobs) -> None:
    failures.append(RuntimeError("not yet"))
    async with database.session() as session:
        await publish(session, FULL)
    await jobs.run_all(future=True)
    assert seen[1:] == [("after the commit", FULL)]
    assert (await jobs.get(jobs.captured[0].id)).attempts == 2


async def test_subscriber_is_rolled_back_when_it_fails(database: Database, jobs: CapturedJobs) -> None:
    @subscribe(Ordered, after_commit=True, retries=0)
    async def publish_more(session: Session, _event: Ordered) -> None:
        await publish(session, Ordered(new_id()))
        raise RuntimeError("after a write")

    with add_declarations(publish_more):
        async with database.session() as session:
            await publish(session, FULL)
        await jobs.run_all()
    assert sorted(job.task.rpartition(".")[2] for job in jobs.captured) == ["publish_more", "ship"]


@pytest.mark.parametrize(
    "stored",
    [{"order_id": str(FULL.order_id)}, {"order_id": str(FULL.order_id), "added_later": {"a": [1]}}],
    ids=["older", "newer"],
)
async def test_event_of_another_release_still_runs(
    database: Database, jobs: CapturedJobs, stored: dict[str, Any]
) -> None:
    async with database.session() as session:
        await publish(session, FULL)
    async with database.session() as session:
        job = await session.get(Job, jobs.captured[0].id)
        assert job is not None
        job.args = stored
    await jobs.run_all()
    assert seen[-1] == ("after the commit", Ordered(FULL.order_id))


@pytest.mark.parametrize(
    "event",
    [
        Ordered("no uuid"),  # type: ignore[arg-type]
        Ordered(FULL.order_id, lines=(Line("a\0b"),)),
        Ordered(FULL.order_id, lines=(Line("\ud800"),)),
        Ordered(FULL.order_id, rate=float("nan")),
        Ordered(FULL.order_id, at=object()),  # type: ignore[arg-type]
    ],
    ids=["another type", "NUL", "lone surrogate", "NaN", "object"],
)
async def test_event_that_could_not_be_read_again_is_refused_when_it_is_published(
    database: Database, jobs: CapturedJobs, event: Ordered
) -> None:
    with pytest.raises(InvalidArguments, match=r"test_subscribers\.ship"):
        async with database.session() as session:
            await publish(session, event)
    assert jobs.captured == []


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (WithSecret, r"WithSecret\.token would store a secret"),
        (WithObject, r"WithObject\.owners contains a Job, which a job cannot store\. Publish its ID"),
        (WithAnything, r"WithAnything\.value contains a value of any type"),
        (Undefined, r"A job cannot store the event Undefined: name 'Missing' is not defined"),
    ],
    ids=["secret", "object", "any", "undefined"],
)
def test_event_that_no_job_can_store_is_refused_at_the_subscriber(event: type[Event], message: str) -> None:
    async def notify(session: Session, event: Event) -> None: ...

    with pytest.raises(CodeError, match=message) as raised:
        SubscriberTasks(Subscribers([subscribe(event, after_commit=True)(notify)]))
    assert raised.value.at is notify


def test_in_transaction_subscriber_may_take_any_event() -> None:
    async def notify(session: Session, event: Event) -> None: ...

    assert SubscriberTasks(Subscribers([subscribe(WithObject)(notify)])).all == []


def test_options_of_a_job_need_after_commit() -> None:
    with pytest.raises(TypeError, match="retries and timeout of a subscriber need after_commit=True"):
        subscribe(Ordered, retries=2, timeout=3)


def sync(session: Session, event: Ordered) -> None: ...


async def without_session(event: Ordered) -> None: ...


async def swapped(event: Ordered, session: Session) -> None: ...


async def keyword_only(session: Session, *, event: Ordered) -> None: ...


async def of_another_event(session: Session, event: WithSecret) -> None: ...


@pytest.mark.parametrize("function", [sync, without_session, swapped, keyword_only, of_another_event])
def test_function_with_another_signature_is_refused(function: Any) -> None:
    name = function.__name__
    expected = rf"{name} must .*: async def {name}\(session: Session, ordered: Ordered\) -> None\."
    with pytest.raises(CodeError, match=expected) as raised:
        subscribe(Ordered)(function)
    assert raised.value.at is function


def test_stored_event_with_an_invalid_field_is_reported() -> None:
    arguments = EventArguments("a.ship", Ordered)
    with pytest.raises(InvalidArguments, match=r"a\.ship: .*order_id"):
        arguments.decode({"order_id": 7}, job=None)  # type: ignore[arg-type]
