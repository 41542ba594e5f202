"""Typed domain events, named in the past tense, with subscribers.

    class UserRegistered(Event, frozen=True):
        user_id: UUID

    @subscribe(UserRegistered)
    async def create_personal_team(session: Session, event: UserRegistered) -> None: ...

Subscribers run immediately, inside the publisher's transaction: if one raises, the transaction rolls back. Enqueue a
job in that transaction for work that must run after the commit.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Struct

from undercroft.core.db.session import Session


class Event(Struct, frozen=True):
    """Base class of all events; subclasses are frozen and contain ids."""


E = TypeVar("E", bound=Event)
Subscriber = Callable[[Session, E], Awaitable[None]]

_subscribers: dict[type[Event], list[Subscriber[Any]]] = defaultdict(list)


def subscribe(event: type[E]) -> Callable[[Subscriber[E]], Subscriber[E]]:
    """Register a function that is called with the session and the event whenever the event is published.

    Raises `TypeError` if `event` is not an `Event` class: its subscriber would never be called.
    """
    if not (isinstance(event, type) and issubclass(event, Event)):
        raise TypeError(f"{getattr(event, '__qualname__', event)} is not an event. Pass one: @subscribe(UserDeleted).")

    def register(subscriber: Subscriber[E]) -> Subscriber[E]:
        if subscriber not in _subscribers[event]:
            _subscribers[event].append(subscriber)
        return subscriber

    return register


async def publish(session: Session, event: Event) -> None:
    """Call all subscribers in the order of their subscription, within the caller's transaction."""
    for subscriber in _subscribers[type(event)]:
        await subscriber(session, event)
