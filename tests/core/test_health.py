"""Health by component."""

import asyncio

import pytest

from undercroft.core.health import Component, Health, HealthStatus, overall_status


async def fine() -> dict[str, int]:
    return {"depth": 3}


async def broken() -> None:
    raise ConnectionError("postgresql://user:hunter2@host is down")


async def hanging() -> None:
    await asyncio.Event().wait()


async def check_all(*components: Component) -> tuple[HealthStatus, dict[str, bool]]:
    health = Health(timeout=0.05)
    for component in components:
        health.add(component)
    readings = await health.check_all()
    return overall_status(readings), {reading.component.name: reading.up for reading in readings}


async def test_everything_up_is_healthy() -> None:
    assert await check_all(Component("database", fine, required=True)) == (HealthStatus.HEALTHY, {"database": True})


async def test_something_optional_down_is_degraded() -> None:
    status, _ = await check_all(Component("database", fine, required=True), Component("redis", broken))
    assert status is HealthStatus.DEGRADED


async def test_something_required_down_is_unhealthy_whatever_else() -> None:
    status, up = await check_all(Component("database", broken, required=True), Component("redis", fine))
    assert status is HealthStatus.UNHEALTHY
    assert up == {"database": False, "redis": True}


async def test_a_component_that_hangs_is_down_and_holds_up_nobody() -> None:
    _, up = await check_all(Component("database", fine), Component("redis", hanging))
    assert up == {"database": True, "redis": False}


async def test_details_are_passed_on() -> None:
    health = Health()
    health.add(Component("jobs", fine))
    (reading,) = await health.check_all()
    assert reading.details == {"depth": 3}


async def test_a_component_that_hangs_is_checked_once_at_a_time() -> None:
    started: list[int] = []
    released = asyncio.Event()

    async def check() -> None:
        started.append(1)
        await released.wait()

    health = Health(timeout=0.02)
    health.add(Component("database", check, required=True))
    for _ in range(5):
        readings = await asyncio.gather(*(health.check_all() for _ in range(5)))
        assert not any(reading.up for (reading,) in readings)
    assert len(started) == 1
    released.set()
    await asyncio.sleep(0)
    (reading,) = await health.check_all()
    assert reading.up


async def test_a_check_that_never_returns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("undercroft.core.health.CHECK_TIMEOUT", 0.05)
    ended = asyncio.Event()
    hangs = True

    async def check() -> None:
        if hangs:
            try:
                await asyncio.Event().wait()
            finally:
                ended.set()

    health = Health(timeout=0.01)
    health.add(Component("database", check, required=True))
    assert not (await health.check_all())[0].up
    await asyncio.wait_for(ended.wait(), 10)
    hangs = False
    await asyncio.sleep(0)
    assert (await health.check_all())[0].up
