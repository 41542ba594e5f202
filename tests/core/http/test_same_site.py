import pytest
from starlette.requests import Request

from tests.core.http.conftest import Configure
from undercroft.core.http.same_site import same_site
from undercroft.core.http.settings import HttpSettings


def request(headers: dict[str, str], scheme: str = "https") -> Request:
    raw = [(name.encode(), value.encode()) for name, value in {"host": "api.example.com:8443", **headers}.items()]
    return Request({"type": "http", "scheme": scheme, "headers": raw})


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "same-origin"},
        {"sec-fetch-site": "same-origin", "origin": "null"},
        {"sec-fetch-site": "same-site", "origin": "https://app.example.com"},
        {"origin": "https://api.example.com:8443"},
        {"origin": "https://api.example.com"},
        {"origin": "HTTPS://APP.example.com"},
    ],
)
def test_request_of_a_trusted_origin_is_same_site(configure: Configure, headers: dict[str, str]) -> None:
    configure(HttpSettings(cors_origins=("https://app.example.com",)))

    assert same_site(request(headers))


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"origin": "null"},
        {"origin": ""},
        {"origin": "https://evil.com"},
        {"origin": "https://api.example.com.evil.com"},
        {"origin": "http://api.example.com:8443"},
        {"sec-fetch-site": "cross-site", "origin": "https://api.example.com"},
        {"sec-fetch-site": "none"},
        {"sec-fetch-site": "same-site"},
        {"sec-fetch-site": "same-site", "origin": "https://user-content.example.com"},
        {"sec-fetch-site": "nonsense", "origin": "https://api.example.com"},
    ],
)
def test_request_of_another_origin_is_not_same_site(configure: Configure, headers: dict[str, str]) -> None:
    configure(HttpSettings(cors_origins=("https://app.example.com", "*")))

    assert not same_site(request(headers))
