from typing import Any

import pytest

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import pages, router
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, Environment

PATH = "/api/v1/public/shelf/who"
NAMED = (HttpSettings(allowed_hosts=("api.example.com", "*.example.org", "2001:db8::1")),)


def core(environment: Environment) -> CoreSettings:
    return CoreSettings(environment=environment, public_url="https://api.example.com")


@pytest.mark.parametrize(
    "host", ["api.example.com", "API.Example.com:8443", "api.example.com.", "a.b.example.org", "[2001:db8::1]:80"]
)
async def test_allowed_hosts_are_accepted(build: Build, host: str) -> None:
    assert (await build(router, settings=NAMED).get(PATH, host=host)).status == 200


@pytest.mark.parametrize(
    "host",
    [
        None, "", "evil.com", "example.org", "api.example.com.evil.com", "evilexample.org", "api.example.com@evil.com",
        "evil.com:api.example.com", "127.0.0.1", "localhost", " ", "api.example.com evil.com", "*", "\0", "x" * 5000,
    ],
)  # fmt: skip
async def test_other_hosts_get_400(build: Build, host: str | None) -> None:
    response = await build(router, settings=NAMED).get(PATH, host=host)

    assert (response.status, response.code) == (400, "UNKNOWN_HOST")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert "x-request-id" in response.headers


async def test_repeated_host_header_is_refused(build: Build) -> None:
    response = await build(router, settings=NAMED).get(PATH, headers=[("host", "api.example.com")])

    assert response.status == 400


async def test_refused_host_is_not_cached_as_allowed(build: Build) -> None:
    asgi_client = build(router, settings=NAMED)
    hosts = ("api.example.com", "evil.com", "evil.com")

    assert [(await asgi_client.get(PATH, host=host)).status for host in hosts] == [200, 400, 400]


async def test_route_for_any_host_accepts_every_host(build: Build) -> None:
    asgi_client = build(pages, settings=NAMED)

    assert (await asgi_client.get("/pages/any-host", host="10.0.0.7:8000")).status == 200
    assert (await asgi_client.get("/pages/hello", host="10.0.0.7:8000")).status == 400


async def test_production_accepts_the_host_of_public_url_by_default(build: Build) -> None:
    asgi_client = build(router, settings=(core(Environment.PRODUCTION),))

    assert (await asgi_client.get(PATH, host="api.example.com")).status == 200
    assert (await asgi_client.get(PATH, host="127.0.0.1")).status == 400


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("localhost:8000", 200),
        ("a.localhost", 200),
        ("rebound.evil.com", 400),
    ],
)
async def test_development_accepts_addresses_but_no_rebound_names(build: Build, host: str, status: int) -> None:
    assert (await build(router, settings=(core(Environment.DEVELOPMENT),)).get(PATH, host=host)).status == status


async def test_websocket_of_another_host_is_closed(build: Build) -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "websocket", "path": "/ws", "headers": [(b"host", b"evil.com")], "root_path": ""}
    await build(settings=NAMED).app(scope, None, send)  # type: ignore[arg-type]

    assert sent == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize(("host", "status"), [("shop.example", 200), ("api.example.com", 200), ("evil.com", 400)])
async def test_development_accepts_the_host_of_public_url_beside_the_allowed_ones(
    build: Build, host: str, status: int
) -> None:
    settings = (core(Environment.DEVELOPMENT), HttpSettings(allowed_hosts=("shop.example",)))
    assert (await build(router, settings=settings).get(PATH, host=host)).status == status


@pytest.mark.parametrize(("host", "status"), [("shop.example", 200), ("api.example.com", 400)])
async def test_production_accepts_only_the_allowed_hosts(build: Build, host: str, status: int) -> None:
    settings = (core(Environment.PRODUCTION), HttpSettings(allowed_hosts=("shop.example",)))
    assert (await build(router, settings=settings).get(PATH, host=host)).status == status
