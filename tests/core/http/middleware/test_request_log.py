import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.settings import TelemetrySettings

PATH = "/api/v1/public/shelf"


def lines(text: str, event: str = "request") -> list[dict[str, Any]]:
    return [line for line in map(json.loads, text.splitlines()) if line["event"] == event]


async def test_request_is_logged_as_one_line(build: Build, read_logs: Callable[[], str]) -> None:
    await build(router).get(f"{PATH}/text/5", query=b"token=abc", headers=[("x-request-id", "request-1")])

    (line,) = lines(read_logs())
    assert line["method"] == "GET"
    assert line["route"] == f"{PATH}/text/{{size}}"
    assert line["path"] == f"{PATH}/text/5"
    assert (line["status"], line["client"], line["request_id"]) == (200, "192.0.2.10", "request-1")
    assert (line["category"], line["level"]) == ("access", "info")
    assert line["ms"] >= 0


async def test_query_string_is_not_logged(build: Build, read_logs: Callable[[], str]) -> None:
    await build(router).get(f"{PATH}/who", query=b"token=very-secret")

    assert "very-secret" not in read_logs()


@pytest.mark.parametrize(
    "path", ["/uc_live_1234567890abcdef", "/joe@example.com", "/\ud800", "/a\n{}", "/" + "x" * 50_000, "/\0"]
)
async def test_hostile_path_is_logged_as_one_clean_line(build: Build, read_logs: Callable[[], str], path: str) -> None:
    await build(router).get(path)

    (line,) = lines(read_logs())
    assert line["route"] is None
    assert len(line["path"]) <= 200
    assert "1234567890abcdef" not in line["path"]
    assert "joe@" not in line["path"]


async def test_slow_request_is_logged(build: Build, read_logs: Callable[[], str]) -> None:
    settings = TelemetrySettings(log_format="json", log_slow_request=0.000001)
    await build(router, settings=(settings,)).get(f"{PATH}/who")

    (line,) = lines(read_logs(), "slow request")
    assert (line["category"], line["level"], line["route"]) == ("performance", "warning", f"{PATH}/who")


async def test_line_is_short_in_console_format(
    build: Build, read_logs: Callable[[], str], capsys: pytest.CaptureFixture[str]
) -> None:
    asgi_client = build(router, settings=(TelemetrySettings(log_format="console"),))
    logs.configure()
    await asgi_client.get(f"{PATH}/who\x1b[31m")
    logs.flush()

    assert "GET 404 /api/v1/public/shelf/who?[31m" in capsys.readouterr().err


async def test_requests_are_counted_and_timed_by_route_template(build: Build) -> None:
    asgi_client = build(router)

    async def read(sample: str) -> float:
        reported = (await asgi_client.get("/metrics", client=("127.0.0.1", 1))).body.decode()
        values = [line.rpartition(" ")[2] for line in reported.splitlines() if line.startswith(sample + " ")]
        assert "BREW" not in reported
        assert "/nowhere" not in reported
        return float(values[0]) if values else 0

    by_route = f'method="GET",route="{PATH}/text/{{size}}",status="200"'
    samples = {
        f"http_requests_total{{{by_route}}}": 5,
        f"http_request_duration_seconds_count{{{by_route.rpartition(',')[0]}}}": 5,
        'http_requests_total{method="GET",route="unmatched",status="404"}': 3,
        f'http_requests_total{{method="OTHER",route="{PATH}/who",status="405"}}': 2,
    }
    before = {sample: await read(sample) for sample in samples}
    for size in range(5):
        await asgi_client.get(f"{PATH}/text/{size}")
    for size in range(3):
        await asgi_client.get(f"/nowhere/{size}")
    for size in range(2):
        await asgi_client(f"BREW{size}", f"{PATH}/who")
    assert {sample: await read(sample) - before[sample] for sample in samples} == samples
    assert await read("http_requests_in_progress") == 1
