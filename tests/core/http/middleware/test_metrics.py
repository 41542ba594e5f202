import pytest
from pydantic import SecretStr

from tests.core.http.conftest import Build
from undercroft.core.http.settings import HttpSettings
from undercroft.core.telemetry.settings import TelemetrySettings

LOCAL = ("127.0.0.1", 1)
TOKEN = TelemetrySettings(metrics_token=SecretStr("a-token-for-metrics"))


@pytest.mark.parametrize("client", ["127.0.0.1", "::1", "::ffff:127.0.0.1"])
async def test_metrics_are_available_from_this_machine(build: Build, client: str) -> None:
    assert (await build().get("/metrics", client=(client, 1))).status == 200


@pytest.mark.parametrize("client", [("192.0.2.1", 1), ("10.0.0.1", 1), None])
async def test_metrics_are_forbidden_to_other_clients(build: Build, client: tuple[str, int] | None) -> None:
    response = await build().get("/metrics", client=client)

    assert (response.status, response.code) == (403, "METRICS_FORBIDDEN")


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "via", "x-real-ip"])
async def test_metrics_are_forbidden_through_a_local_proxy(build: Build, header: str) -> None:
    assert (await build().get("/metrics", client=LOCAL, headers=[(header, "192.0.2.1")])).status == 403


async def test_metrics_are_forbidden_with_a_forged_address(build: Build) -> None:
    settings = (HttpSettings(trusted_proxies=("10.0.0.0/8",)),)
    response = await build(settings=settings).get(
        "/metrics", client=("10.0.0.1", 1), headers=[("x-forwarded-for", "127.0.0.1")]
    )

    assert response.status == 403


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ("Bearer a-token-for-metrics", 200),
        ("bearer a-token-for-metrics", 200),
        ("Bearer wrong", 401),
        ("", 401),
        ("Bearer ü", 401),
    ],
)
async def test_metrics_require_the_token_when_it_is_set(build: Build, authorization: str, status: int) -> None:
    response = await build(settings=(TOKEN,)).get("/metrics", client=LOCAL, headers=[("authorization", authorization)])

    assert response.status == status
