"""Typed domain events, named in the past tense, with subscribers.

    class UserRegistered(Event, frozen=True):
        user_id: UUID

    @subscribe(UserRegistered)
    async def create_personal_team(session: Session, event: UserRegistered) -> None: ...

    @subscribe(UserRegistered, after_commit=True, retries=8)
    async def add_to_newsletter(session: Session, event: UserRegistered) -> None: ...

A subscriber runs immediately, inside the publisher's transaction: if it raises, the transaction rolls back. With
`after_commit` it runs in a job of its own (`<module>.<function>`), which exists if and only if the transaction commits.
"""

from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.db.session import Session
from undercroft.core.handlers import check_handler

__all__ = [
    "Event",
    "ExtensionRemoved",
    "Subscriber",
    "Subscribers",
    "publish",
    "subscribe",
]


observers: "list[Callable[[Event], None]]" = []
"""Called with every event after its transaction has committed. Tests capture events with this."""


class Event(Struct, frozen=True):
    """Base class of all events; subclasses are frozen and contain ids."""


class ExtensionRemoved(Event, frozen=True):
    """The data of an extension are removed. Subscribers delete the rows that they store for it."""

    name: str


E = TypeVar("E", bound=Event)


class Subscriber(Struct, Generic[E], frozen=True):
    """A function that is called with a session and the event whenever an event of this class is published.

    With `after_commit` a job calls it, after errors up to `retries` times more, each time within `timeout` seconds.
    """

    event: type[E]
    function: Callable[[Session, E], Awaitable[None]]
    after_commit: bool = False
    retries: int = 3
    timeout: float = 60

    def __call__(self, session: Session, event: E) -> Awaitable[None]:
        return self.function(session, event)


class Subscribers:
    """The subscribers of an application by event, in the order of the modules."""

    def __init__(self, subscribers: Iterable[Subscriber[Any]] = ()) -> None:
        self.all = tuple(subscribers)
        self._by_event: dict[type[Event], tuple[Subscriber[Any], ...]] = {}
        for each in self.all:
            self._by_event[each.event] = (*self.of(each.event), each)

    def of(self, event: type[Event]) -> tuple[Subscriber[Any], ...]:
        return self._by_event.get(event, ())


class SubscriberQueue(Protocol):
    """Runs subscribers after the commit. The job queue implements it."""

    async def enqueue(self, session: Session, subscriber: Subscriber[Any], event: Event) -> None:
        """Call the subscriber in a job that exists if and only if the session's transaction commits."""


def subscribe(
    event: type[E], *, after_commit: bool = False, retries: int | None = None, timeout: float | None = None
) -> Callable[[Callable[[Session, E], Awaitable[None]]], Subscriber[E]]:
    """Declare a subscriber in the file `subscribers.py` of a module.

    With `after_commit`, the event is stored as the arguments of a job; the session of the subscriber is a transaction
    of that job, which begins with its first statement, and `current_job()` returns the job. The job runs at least once,
    and again after a crash. Jobs of an earlier release run in a later one, so a new field of an event needs a default.
    `retries` and `timeout` are those of `task`.

    Raises `TypeError` if `event` is not an `Event` class: its subscriber would never be called. Raises `CodeError` for
    a function that is not async or has other parameters.
    """
    if not (isinstance(event, type) and issubclass(event, Event)):
        raise TypeError(f"{getattr(event, '__qualname__', event)} is not an event. Pass one: @subscribe(UserDeleted).")
    options = {name: value for name, value in (("retries", retries), ("timeout", timeout)) if value is not None}
    if options and not after_commit:
        raise TypeError(f"{' and '.join(options)} of a subscriber need after_commit=True: only a job is retried.")

    def declare(function: Callable[[Session, E], Awaitable[None]]) -> Subscriber[E]:
        check_handler(function, event)
        return Subscriber(event, function, after_commit, **options)  # type: ignore[arg-type]

    return declare


async def publish(session: Session, event: Event) -> None:
    """Call all subscribers in the order of the modules, within the caller's transaction, or enqueue their jobs."""
    context = current_context()
    for observer in observers:
        session.after_commit(partial(observer, event))
    for subscriber in context.get(Subscribers).of(type(event)):
        if subscriber.after_commit:
            await context.get(SubscriberQueue).enqueue(session, subscriber, event)
        else:
            await subscriber.function(session, event)
