"""What is measured: a server that can be started, and the four calls that it answers."""

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass

from benchmarks.wrk import Call

ENDPOINTS = ("health", "me", "list", "create")


@dataclass(frozen=True)
class RunningServer:
    """A server under measurement; `group` is the process group of its processes."""

    calls: dict[str, Call]
    group: int
    seconds_to_start: float


class Target(ABC):
    name: str

    @abstractmethod
    async def fill(self) -> None:
        """Make the database and its rows."""

    @abstractmethod
    def serve(self) -> AbstractContextManager[RunningServer]:
        """Start the server for the length of the block."""

    @abstractmethod
    async def clean_up(self) -> None:
        """Remove the rows that a round of `create` left, so that every round finds the same tables."""
