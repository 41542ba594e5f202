"""Captures the events that a test publishes."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from undercroft.core import events
from undercroft.core.events import Event

E = TypeVar("E", bound=Event)


class CapturedEvents:
    """`captured` contains the events whose transactions committed during the test, in the order of publication.

    async def test_new_project_is_published(user: AsyncClient, events: CapturedEvents) -> None:
        created = await user.post("/api/v1/app/projects", json={"name": "Website"})
        (event,) = events.of(ProjectResource.Created)
        assert str(event.id) == created.json()["id"]
        assert events.captured == [event]
    """

    def __init__(self) -> None:
        self.captured: list[Event] = []

    def of(self, kind: type[E]) -> list[E]:
        """The captured events of one class."""
        return [each for each in self.captured if isinstance(each, kind)]

    def clear(self) -> None:
        """Forget the events so far, for example those of the test's preparations."""
        self.captured.clear()


@contextmanager
def capture_events() -> Iterator[CapturedEvents]:
    """Capture the events that are published in the block."""
    captured = CapturedEvents()
    events.observers.append(captured.captured.append)
    try:
        yield captured
    finally:
        events.observers.remove(captured.captured.append)
