"""Subscribers that run after the commit: each has a task with the fields of the event as arguments."""

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import inspect
from pydantic import Secret, SecretBytes, SecretStr

from undercroft.core.db import Session
from undercroft.core.errors import CodeError
from undercroft.core.events import Event, Subscriber, Subscribers
from undercroft.jobs.arguments import Arguments
from undercroft.jobs.context import CurrentJob
from undercroft.jobs.enqueueing import enqueue
from undercroft.jobs.errors import InvalidArguments, InvalidTask
from undercroft.jobs.registry import Task, default_name


class SubscriberTasks:
    """Implements `core.events.SubscriberQueue`.

    Raises `CodeError`, at the subscriber, for an event that cannot be stored in a job.
    """

    def __init__(self, subscribers: Subscribers) -> None:
        self._tasks = {each: _build_task(each) for each in subscribers.all if each.after_commit}

    @property
    def all(self) -> list[Task[..., Any]]:
        return list(self._tasks.values())

    async def enqueue(self, session: Session, subscriber: Subscriber[Any], event: Event) -> None:
        """Enqueue a job that calls the subscriber. Raises `InvalidArguments` if the event has an invalid value."""
        await enqueue(session, self._tasks[subscriber], event=event)


class EventArguments(Arguments):
    """The fields of an event. Unknown ones, of a later release, are ignored; missing ones have their defaults."""

    def __init__(self, name: str, event: type[Event]) -> None:
        self._name = name
        self._event = event
        try:
            fields = {each.name: each.type for each in inspect.type_info(event).fields}  # type: ignore[attr-defined]
            self._decoder = msgspec.json.Decoder(event)
        except (TypeError, NameError) as error:
            raise InvalidTask(f"A job cannot store the event {event.__name__}: {error}") from None
        for field, kind in fields.items():
            for part in _nested_types(kind, set()):
                _require_storable(event, field, part)

    @property
    def all_optional(self) -> bool:
        return False

    def encode(self, values: dict[str, Any]) -> str:
        try:
            encoded = msgspec.json.encode(values["event"])
            self._decoder.decode(encoded)
        except (TypeError, ValueError) as error:  # the latter includes msgspec's ValidationError
            raise InvalidArguments(f"{self._name}: {self._event.__name__} cannot be stored: {error}") from None
        if b"\\u0000" in encoded:
            raise InvalidArguments(f"{self._name}: the event contains a NUL character, which cannot be stored")
        return encoded.decode()

    def decode(self, values: dict[str, Any], job: CurrentJob) -> dict[str, Any]:
        try:
            return {"job": job, "event": msgspec.convert(values, self._event)}
        except msgspec.ValidationError as error:
            raise InvalidArguments(f"{self._name}: {error}") from None


@dataclass(eq=False)
class SubscriberTask(Task[..., Any]):
    """The task of a subscriber."""

    event: type[Event] = Event

    def read_arguments(self) -> Arguments:
        return EventArguments(self.name, self.event)


def _build_task(subscriber: Subscriber[Any]) -> Task[..., Any]:
    function = subscriber.function

    @functools.wraps(function)
    async def run(job: CurrentJob, event: Event) -> None:
        async with job.session() as session:
            await function(session, event)

    try:
        return SubscriberTask(
            default_name(function), run, retries=subscriber.retries, timeout=subscriber.timeout, event=subscriber.event
        )
    except InvalidTask as error:
        raise CodeError(str(error), at=function) from None


def _nested_types(part: Any, seen: set[int]) -> Iterator[inspect.Type]:
    """Yield a type and all types that it contains. Fields are no types, but contain one."""
    if isinstance(part, tuple):
        for each in part:
            yield from _nested_types(each, seen)
    elif isinstance(part, inspect.Type | inspect.Field) and id(part) not in seen:
        seen.add(id(part))
        if isinstance(part, inspect.Type):
            yield part
        for name in part.__struct_fields__:
            yield from _nested_types(getattr(part, name), seen)


def _require_storable(event: type[Event], field: str, kind: inspect.Type) -> None:
    cls = getattr(kind, "cls", None) if isinstance(kind, inspect.CustomType) else None
    if isinstance(cls, type) and issubclass(cls, Secret | SecretStr | SecretBytes):
        raise InvalidTask(
            f"{event.__name__}.{field} would store a secret in the jobs table. Publish an ID, and read or create the "
            "secret in the subscriber."
        )
    if isinstance(kind, inspect.CustomType | inspect.AnyType | inspect.RawType | inspect.ExtType):
        described = cls.__name__ if isinstance(cls, type) else "value of any type"
        raise InvalidTask(
            f"{event.__name__}.{field} contains a {described}, which a job cannot store. Publish its ID, or remove "
            "after_commit=True."
        )
