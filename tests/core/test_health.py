"""Health checks by component."""

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
    results = await health.check_all()
    return overall_status(results), {result.component.name: result.up for result in results}


async def test_status_is_healthy_when_every_component_is_up() -> None:
    assert await check_all(Component("database", fine, required=True)) == (HealthStatus.HEALTHY, {"database": True})


async def test_status_is_degraded_when_an_optional_component_is_down() -> None:
    status, _ = await check_all(Component("database", fine, required=True), Component("redis", broken))
    assert status is HealthStatus.DEGRADED


async def test_status_is_unhealthy_when_a_required_component_is_down() -> None:
    status, up = await check_all(Component("database", broken, required=True), Component("redis", fine))
    assert status is HealthStatus.UNHEALTHY
    assert up == {"database": False, "redis": True}


async def test_hanging_component_is_down_and_does_not_delay_others() -> None:
    _, up = await check_all(Component("database", fine), Component("redis", hanging))
    assert up == {"database": True, "redis": False}


async def test_details_of_a_check_are_in_its_result() -> None:
    health = Health()
    health.add(Component("jobs", fine))
    (result,) = await health.check_all()
    assert result.details == {"depth": 3}


async def test_hanging_component_has_one_running_check() -> None:
    started: list[int] = []
    released = asyncio.Event()

    async def check() -> None:
        started.append(1)
        await released.wait()

    health = Health(timeout=0.02)
    health.add(Component("database", check, required=True))
    for _ in range(5):
        results = await asyncio.gather(*(health.check_all() for _ in range(5)))
        assert not any(result.up for (result,) in results)
    assert len(started) == 1
    released.set()
    await asyncio.sleep(0)
    (result,) = await health.check_all()
    assert result.up


async def test_check_is_canceled_after_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
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
