"""Typed domain events: something happened, in the past tense, told to whoever subscribed.

    class UserRegistered(Event, frozen=True):
        user_id: UUID

    @subscribe(UserRegistered)
    async def create_personal_team(session: Session, event: UserRegistered) -> None: ...

Subscribers run at once, inside the publisher's transaction: when one raises, everything rolls back. What should happen
after the commit is enqueued as a job in that transaction.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from msgspec import Struct

from undercroft.core.db.session import Session


class Event(Struct, frozen=True):
    """Base of all events; subclasses are frozen and hold ids."""


E = TypeVar("E", bound=Event)
Subscriber = Callable[[Session, E], Awaitable[None]]

_subscribers: dict[type[Event], list[Subscriber[Any]]] = defaultdict(list)


def subscribe(event: type[E]) -> Callable[[Subscriber[E]], Subscriber[E]]:
    """Have a function called with the session and the event whenever it is published.

    Raises `TypeError` for what is no event: its subscriber would never be called.
    """
    if not (isinstance(event, type) and issubclass(event, Event)):
        raise TypeError(f"{getattr(event, '__qualname__', event)} is no event. Name one: @subscribe(UserDeleted).")

    def register(subscriber: Subscriber[E]) -> Subscriber[E]:
        if subscriber not in _subscribers[event]:
            _subscribers[event].append(subscriber)
        return subscriber

    return register


async def publish(session: Session, event: Event) -> None:
    """Tell every subscriber, in the order of subscription, within the caller's transaction."""
    for subscriber in _subscribers[type(event)]:
        await subscriber(session, event)
