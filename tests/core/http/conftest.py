import io
from collections.abc import Callable, Iterator
from inspect import signature

import pytest
from fastapi import APIRouter

from tests.core.http.asgi_client import AsgiClient
from undercroft.core import settings
from undercroft.core.cache import Cache, RedisSettings
from undercroft.core.http import Router
from undercroft.core.http.application import Api
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, Environment, SettingsBase
from undercroft.core.telemetry import logs
from undercroft.core.telemetry.settings import TelemetrySettings

has_limits = pytest.mark.skipif(
    "max_body_size" not in signature(APIRouter.post).parameters, reason="FastAPI has these options since 0.164"
)
"""For tests of `max_body_size` and `form_limits`."""

Configure = Callable[..., None]
Build = Callable[..., AsgiClient]


@pytest.fixture
def configure() -> Configure:
    """Settings for one test: a test environment without Redis, plus the given settings."""

    def apply(*instances: SettingsBase) -> None:
        for instance in instances:
            settings.use(instance)

    apply(
        CoreSettings(environment=Environment.TEST, public_url="https://api.example.com"),
        HttpSettings(),
        TelemetrySettings(log_format="json"),
        RedisSettings(),
    )
    return apply


@pytest.fixture
def build(configure: Configure) -> Build:
    """A client of an application with these routers and settings."""

    def make(*routers: Router, settings: tuple[SettingsBase, ...] = (), cache: Cache | None = None) -> AsgiClient:
        configure(*settings)
        app = Api(version="1.2.3", cache=cache)
        app.add(routers)
        return AsgiClient(app)

    return make


@pytest.fixture
def read_logs(configure: Configure) -> Iterator[Callable[[], str]]:
    """A function that returns the logged JSON lines."""
    stream = io.StringIO()
    logs.configure(stream=stream)

    def read() -> str:
        logs.flush()
        return stream.getvalue()

    yield read
    logs.configure(stream=io.StringIO())
