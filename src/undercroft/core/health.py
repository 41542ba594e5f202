"""What this installation depends on, and how each of it is."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

import structlog
from msgspec import Struct

log = structlog.get_logger("undercroft.application")

Check = Callable[[], Awaitable[object]]


class Overall(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class Component(Struct, frozen=True):
    """`check` raises when it is down and may return a mapping of details; without what is `required` nothing works."""

    name: str
    check: Check
    required: bool = False


class Reading(Struct, frozen=True):
    component: Component
    up: bool
    latency_ms: float
    details: dict[str, Any]


class Health:
    """The components of one process; whoever starts something adds it here."""

    def __init__(self, *, timeout: float = 2.0) -> None:
        self._components: dict[str, Component] = {}
        self._timeout = timeout

    def add(self, component: Component) -> None:
        self._components[component.name] = component

    def remove(self, name: str) -> None:
        """Forget a component that was stopped."""
        self._components.pop(name, None)

    async def read(self) -> list[Reading]:
        """Ask every component at once, each for at most the timeout in seconds."""
        return list(await asyncio.gather(*(self._ask(component) for component in self._components.values())))

    async def _ask(self, component: Component) -> Reading:
        started = time.perf_counter()
        try:
            details = await asyncio.wait_for(component.check(), self._timeout)
        except Exception as error:
            log.warning("component is down", component=component.name, reason=type(error).__name__)
            return Reading(component, False, _ms_since(started), {})
        return Reading(component, True, _ms_since(started), dict(details) if isinstance(details, Mapping) else {})


def overall(readings: list[Reading]) -> Overall:
    """`unhealthy` when something required is down, `degraded` when only something else is."""
    if any(reading.component.required and not reading.up for reading in readings):
        return Overall.UNHEALTHY
    return Overall.HEALTHY if all(reading.up for reading in readings) else Overall.DEGRADED


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
