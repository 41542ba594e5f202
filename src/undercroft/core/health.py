"""Health checks of the components that this installation depends on."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from enum import StrEnum
from typing import Any

import structlog
from msgspec import Struct

__all__ = [
    "CheckResult",
    "Component",
    "ComponentDown",
    "Health",
    "HealthStatus",
]

log = structlog.get_logger("undercroft.application")

Check = Callable[[], Awaitable[object]]


class HealthStatus(StrEnum):
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"


class ComponentDown(Exception):
    """Raised by a check that has details of the failure. They are public."""

    def __init__(self, details: Mapping[str, Any]) -> None:
        super().__init__(details)
        self.details = dict(details)


class Component(Struct, frozen=True):
    """`check` raises if the component is down and may return a mapping of details. `required`: nothing works without
    it.
    """

    name: str
    check: Check
    required: bool = False


class CheckResult(Struct, frozen=True):
    component: Component
    up: bool
    latency_ms: float
    details: dict[str, Any]


CHECK_TIMEOUT = 10.0
"""Seconds after which a check is canceled, so that the next check can find the component up."""


class Health:
    """The components of one process. Each part of the application adds its own at startup.

    Each component has at most one running check: while it hangs, requests wait for that one, up to `timeout` seconds,
    instead of starting another.
    """

    def __init__(self, *, timeout: float = 2.0) -> None:
        self._components: dict[str, Component] = {}
        self._checks: dict[str, asyncio.Task[object]] = {}
        self._timeout = timeout

    def add(self, component: Component) -> None:
        self._components[component.name] = component

    def remove(self, name: str) -> None:
        """Remove a component that was stopped."""
        self._components.pop(name, None)

    async def check_all(self) -> list[CheckResult]:
        """Run the checks of all components concurrently, each for at most `timeout` seconds."""
        return list(
            await asyncio.gather(*(self._check_component(component) for component in self._components.values()))
        )

    async def _check_component(self, component: Component) -> CheckResult:
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self._timeout):
                details = await asyncio.shield(self._running_check(component))
        except Exception as error:
            reason = type(error.__cause__ or error).__name__
            log.warning("component is down", component=component.name, reason=reason)
            details = error.details if isinstance(error, ComponentDown) else {}
            return CheckResult(component, False, _ms_since(started), details)
        return CheckResult(component, True, _ms_since(started), dict(details) if isinstance(details, Mapping) else {})

    def _running_check(self, component: Component) -> asyncio.Task[object]:
        """The running check of this component, otherwise a new one."""
        running = self._checks.get(component.name)
        if running is None:
            running = self._checks[component.name] = asyncio.create_task(_run(component.check))
            running.add_done_callback(lambda _: self._checks.pop(component.name, None))
            running.add_done_callback(_consume_exception)
        return running


async def _run(check: Check) -> object:
    async with asyncio.timeout(CHECK_TIMEOUT):
        return await check()


def _consume_exception(check: asyncio.Task[object]) -> None:
    """Retrieve the exception of a check that no request awaits anymore; otherwise asyncio logs it."""
    if not check.cancelled():
        check.exception()


def overall_status(readings: list[CheckResult]) -> HealthStatus:
    """`unhealthy` if a required component is down, `degraded` if only others are down."""
    if any(reading.component.required and not reading.up for reading in readings):
        return HealthStatus.UNHEALTHY
    return HealthStatus.HEALTHY if all(reading.up for reading in readings) else HealthStatus.DEGRADED


def _ms_since(started: float) -> float:
    return round((time.perf_counter() - started) * 1000, 2)
