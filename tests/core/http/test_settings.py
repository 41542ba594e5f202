from typing import Any

import pytest
from pydantic import ValidationError

from tests.core.http.conftest import Configure
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, Environment


def test_lists_are_parsed_from_commas_or_json(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CORS_ORIGINS", "https://a.example.com , https://B.example.com")
    monkeypatch.setenv("ALLOWED_HOSTS", '["API.example.com", "*.example.org"]')
    monkeypatch.setenv("TRUSTED_PROXIES", "10.1.2.3/8,2001:db8::1")
    settings = HttpSettings()

    assert settings.cors_origins == ("https://a.example.com", "https://b.example.com")
    assert settings.allowed_hosts == ("api.example.com", "*.example.org")
    assert settings.trusted_proxies == ("10.0.0.0/8", "2001:db8::1/128")


@pytest.mark.parametrize(
    "values",
    [
        {"cors_origins": "app.example.com"},
        {"cors_origins": "https://app.example.com/"},
        {"cors_origins": "https://app.example.com/path"},
        {"cors_origins": "null"},
        {"trusted_proxies": "10.0.0.0/33"},
        {"trusted_proxies": "nginx"},
        {"rate_limit_app": "lots"},
        {"max_body_size": 0},
        {"request_timeout": 0},
        {"rate_limit_scale": 0},
    ],
)
def test_invalid_values_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        HttpSettings(**values)


@pytest.mark.parametrize(
    ("values", "setting"),
    [
        ({"allowed_hosts": "*"}, "ALLOWED_HOSTS"),
        ({"trusted_proxies": "0.0.0.0/0"}, "TRUSTED_PROXIES"),
        ({"trusted_proxies": "::/0"}, "TRUSTED_PROXIES"),
        ({"rate_limit_scale": 10.5}, "RATE_LIMIT_SCALE"),
        ({"cors_origins": "http://app.example.com"}, "CORS_ORIGINS"),
    ],
)
def test_insecure_values_are_errors_in_production(values: dict[str, Any], setting: str) -> None:
    (error,) = HttpSettings(**values).production_errors()

    assert setting in error


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"allowed_hosts": "*.example.com"},
        {"trusted_proxies": "10.0.0.0/8"},
        {"rate_limit_scale": 10},
        {"cors_origins": "https://app.example.com"},
    ],
)
def test_other_values_are_valid_in_production(values: dict[str, Any]) -> None:
    assert list(HttpSettings(**values).production_errors()) == []


@pytest.mark.parametrize(
    ("environment", "scale"), [(Environment.PRODUCTION, 1), (Environment.DEVELOPMENT, 100), (Environment.TEST, 100)]
)
def test_rate_limits_are_scaled_by_environment(configure: Configure, environment: Environment, scale: float) -> None:
    configure(CoreSettings(environment=environment))

    assert HttpSettings().scale == scale
    assert HttpSettings(rate_limit_scale=2).scale == 2
