"""Routes of the health checks."""

import pytest
from httpx2 import AsyncClient

from undercroft.core.health import Component, Health
from undercroft.core.http.application import Api


async def failing_check() -> None:
    raise ConnectionError("postgresql://user:hunter2@host is down")


@pytest.mark.parametrize("path", ["/health", "/api/v1/public/health"])
async def test_liveness_runs_no_statement(client: AsyncClient, statements, path: str) -> None:
    response = await client.get(path)
    assert (response.status_code, response.json()["status"]) == (200, "healthy")
    assert response.json()["version"]
    assert statements.all == []


async def test_readiness_reports_every_component_with_its_latency(client: AsyncClient) -> None:
    response = (await client.get("/api/v1/public/health/ready")).json()
    assert {"database", "crypto", "jobs"} <= set(response["components"])
    assert response["components"]["database"]["status"] == "up"
    assert response["components"]["database"]["latency_ms"] > 0


@pytest.mark.parametrize(("required", "status", "overall"), [(False, 200, "degraded"), (True, 503, "unhealthy")])
async def test_readiness_is_degraded_or_unhealthy_when_a_component_is_down(
    app: Api, client: AsyncClient, required: bool, status: int, overall: str
) -> None:
    app.context.get(Health).add(Component("sky", failing_check, required=required))
    try:
        response = await client.get("/api/v1/public/health/ready")
    finally:
        app.context.get(Health).remove("sky")
    assert (response.status_code, response.json()["status"]) == (status, overall)
    assert response.json()["components"]["sky"]["status"] == "down"
    assert "hunter2" not in response.text


async def test_liveness_accepts_any_host_header(client: AsyncClient) -> None:
    assert (await client.get("/health", headers={"Host": "10.0.0.7:8000"})).status_code == 200
