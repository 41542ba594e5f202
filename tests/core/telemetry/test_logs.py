import gc
import io
import json
import logging
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import structlog
from structlog.contextvars import bound_contextvars

from undercroft.core import settings
from undercroft.core.settings import CoreSettings, Environment
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.settings import TelemetrySettings

Start = Callable[..., Callable[[], str]]


@pytest.fixture
def start() -> Iterator[Start]:
    """Configure logging into memory with these settings; yields a function that returns a reader."""

    def configure(*, environment: Environment = Environment.PRODUCTION, **values: Any) -> Callable[[], str]:
        settings.use(CoreSettings(environment=environment))
        settings.use(TelemetrySettings(**values))
        stream = io.StringIO()
        gc.collect()  # asyncio logs unused errors of earlier tests when they are collected
        logs.configure(stream=stream)

        def read() -> str:
            logs.flush()
            return stream.getvalue()

        return read

    yield configure
    logs.configure(stream=io.StringIO())


def parse_single_line(text: str) -> dict[str, Any]:
    (line,) = text.splitlines()
    return dict(json.loads(line))


def test_line_is_json_with_its_context_in_production(start: Start) -> None:
    read = start()
    with bound_contextvars(request_id="r-1", user_id="u-1", team_id="t-1", job_id="j-1"):
        structlog.get_logger("undercroft.security").info("user.deactivated", actor_id="a-1", count=3)

    line = parse_single_line(read())
    assert line["event"] == "user.deactivated"
    assert (line["level"], line["category"], line["logger"]) == ("info", "security", "undercroft.security")
    assert [line[name] for name in ("request_id", "user_id", "team_id", "job_id")] == ["r-1", "u-1", "t-1", "j-1"]
    assert line["count"] == 3
    assert line["timestamp"].endswith("Z")


def test_line_is_readable_in_development(start: Start) -> None:
    read = start(environment=Environment.DEVELOPMENT)
    structlog.get_logger("undercroft.application").warning("look here", why="because")

    assert "look here" in read()
    assert not read().startswith("{")


@pytest.mark.parametrize(
    ("name", "category"),
    [
        ("undercroft.audit", "audit"),
        ("undercroft.performance", "performance"),
        ("undercroft.shop", "application"),
        ("other.library", "application"),
        ("", "application"),
    ],
)
def test_category_follows_from_the_logger_name(name: str, category: str) -> None:
    assert logs.get_category(name) == category


def test_lines_below_the_level_are_dropped(start: Start) -> None:
    read = start(log_level="warning")
    structlog.get_logger("undercroft.application").info("quiet")
    structlog.get_logger("undercroft.application").debug("quieter")
    logging.getLogger("library").info("quiet too")

    assert read() == ""


def test_requests_of_http_clients_are_not_logged(start: Start) -> None:
    read = start(log_level="info")
    for name in ("httpx", "httpx2", "httpcore2.connection"):
        logging.getLogger(name).info("HTTP Request: GET https://id.example.com")

    assert read() == ""


def test_logging_records_have_the_same_format(start: Start) -> None:
    read = start()
    with bound_contextvars(request_id="r-1"):
        logging.getLogger("some.library").warning("connected to %s", "redis://:hunter2@cache/0")

    line = parse_single_line(read())
    assert line["event"] == "connected to redis://[redacted]@cache/0"
    assert (line["level"], line["logger"], line["request_id"]) == ("warning", "some.library", "r-1")


def test_exception_has_its_traceback_without_local_variables(start: Start) -> None:
    read = start()
    password = "hunter2"  # noqa: F841
    try:
        raise ValueError("Bearer abcdefghijkl")
    except ValueError:
        structlog.get_logger("undercroft.error").exception("it broke", password="hunter2")

    line = parse_single_line(read())
    assert "test_exception_has_its_traceback" in line["exception"]
    assert "ValueError: Bearer [redacted]" in line["exception"]
    assert "hunter2" not in read().replace('password = "hunter2"', "")


@pytest.mark.parametrize("value", ["\ud800", "a\nb", object(), {1: 2}, float("nan"), b"\xff", 10**400, {"a": {"b"}}])
def test_any_value_can_be_logged(start: Start, value: Any) -> None:
    read = start()
    structlog.get_logger("undercroft.application").info("odd", value=value, other={"inner": value})

    assert parse_single_line(read())["event"] == "odd"


def test_configuring_twice_writes_each_line_once(start: Start) -> None:
    start()
    read = start()
    logging.getLogger("library").warning("once")

    assert read().count("once") == 1


def test_encode_falls_back_to_text() -> None:
    assert json.loads(logs.encode({"a": "\ud800", "n": 1}))["n"] == 1
