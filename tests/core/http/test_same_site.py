import pytest
from starlette.requests import Request

from tests.core.http.conftest import Configure
from undercroft.core.http.same_site import MAX_PATH_LENGTH, is_local_path, same_site
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
        {"sec-fetch-site": "same-site", "origin": "https://api.example.com:8443"},
        {"origin": "*"},
        {"sec-fetch-site": "same-site", "origin": "https://user-content.example.com"},
        {"sec-fetch-site": "nonsense", "origin": "https://api.example.com"},
    ],
)
def test_request_of_another_origin_is_not_same_site(configure: Configure, headers: dict[str, str]) -> None:
    configure(HttpSettings(cors_origins=("https://app.example.com", "*")))

    assert not same_site(request(headers))


@pytest.mark.parametrize(
    ("scheme", "origin", "expected"),
    [
        ("wss", "https://api.example.com:8443", True),
        ("ws", "http://api.example.com:8443", True),
        ("wss", "http://api.example.com:8443", False),
        ("wss", "wss://api.example.com:8443", False),
    ],
)
def test_websocket_has_the_origin_of_the_page(configure: Configure, scheme: str, origin: str, expected: bool) -> None:
    configure(HttpSettings())

    assert same_site(request({"origin": origin}, scheme)) is expected


@pytest.mark.parametrize(
    "path",
    ["/", "/account", "/a/b?next=/c&x=1#part", "/a//b", "/?u=https://evil.example", "/" + "a" * (MAX_PATH_LENGTH - 1)],
)
def test_path_on_this_site_is_local(path: str) -> None:
    assert is_local_path(path)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "account",
        "https://evil.example/",
        "javascript:alert(1)",
        "//evil.example",
        "///evil.example",
        "/\\evil.example",
        "\\\\evil.example",
        "/account\\..",
        "/\t/evil.example",
        "/\n/evil.example",
        "/\r/evil.example",
        "\t//evil.example",
        " //evil.example",
        "/two words",
        "/\0",
        "/\x7f",
        "/ä",
        "/\u2028",
        "/" + "a" * MAX_PATH_LENGTH,
    ],
)
def test_path_that_browsers_might_resolve_to_another_site_is_not_local(path: str) -> None:
    assert not is_local_path(path)
