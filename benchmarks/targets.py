"""Targets of measurements: a server and the four requests that it serves."""

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
        """Create the database and its rows."""

    @abstractmethod
    def serve(self) -> AbstractContextManager[RunningServer]:
        """Run the server for the duration of the block."""

    @abstractmethod
    async def clean_up(self) -> None:
        """Delete the rows of a round of `create`, so that every round starts with the same tables."""
