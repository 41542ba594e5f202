"""Typed domain events, named in the past tense, with subscribers.

    class UserRegistered(Event, frozen=True):
        user_id: UUID

    @subscribe(UserRegistered)
    async def create_personal_team(session: Session, event: UserRegistered) -> None: ...

Subscribers run immediately, inside the publisher's transaction: if one raises, the transaction rolls back. Enqueue a
job in that transaction for work that must run after the commit.
"""

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Generic, TypeVar

from msgspec import Struct

from undercroft.core.context import current_context
from undercroft.core.db.session import Session

__all__ = [
    "Event",
    "Subscriber",
    "Subscribers",
    "publish",
    "subscribe",
]


class Event(Struct, frozen=True):
    """Base class of all events; subclasses are frozen and contain ids."""


E = TypeVar("E", bound=Event)


class Subscriber(Struct, Generic[E], frozen=True):
    """A function that is called with the session and the event whenever an event of this class is published."""

    event: type[E]
    function: Callable[[Session, E], Awaitable[None]]

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


def subscribe(event: type[E]) -> Callable[[Callable[[Session, E], Awaitable[None]]], Subscriber[E]]:
    """Declare a subscriber in the file `subscribers.py` of a module.

    Raises `TypeError` if `event` is not an `Event` class: its subscriber would never be called.
    """
    if not (isinstance(event, type) and issubclass(event, Event)):
        raise TypeError(f"{getattr(event, '__qualname__', event)} is not an event. Pass one: @subscribe(UserDeleted).")

    def declare(function: Callable[[Session, E], Awaitable[None]]) -> Subscriber[E]:
        return Subscriber(event, function)

    return declare


async def publish(session: Session, event: Event) -> None:
    """Call all subscribers in the order of the modules, within the caller's transaction."""
    for subscriber in current_context().get(Subscribers).of(type(event)):
        await subscriber.function(session, event)
