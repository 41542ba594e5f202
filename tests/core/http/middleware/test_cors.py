import pytest

from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import router
from undercroft.core.http.settings import HttpSettings
from undercroft.core.modules import RequestHeaders
from undercroft.modules.sessions import MODULE

PATH = "/api/v1/public/shelf/who"
APP = "https://app.example.com"
NAMED = (HttpSettings(cors_origins=(APP, "http://localhost:3000")),)
ALL = (HttpSettings(cors_origins=("*",)),)
PREFLIGHT = [("access-control-request-method", "PATCH"), ("access-control-request-headers", "authorization")]


async def test_allowed_origin_may_read_responses_with_credentials(build: Build) -> None:
    headers = (await build(router, settings=NAMED).get(PATH, headers=[("origin", APP)])).headers

    assert headers["access-control-allow-origin"] == APP
    assert headers["access-control-allow-credentials"] == "true"
    for name in ("X-Request-ID", "ETag", "X-RateLimit-Remaining", "Retry-After", "Deprecation", "Sunset", "Link"):
        assert name in headers["access-control-expose-headers"]


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.com",
        "null",
        "",
        APP + ".evil.com",
        "https://evil.com/" + APP,
        APP + ":444",
        "http://app.example.com",
    ],
)
async def test_other_origin_gets_no_cors_headers(build: Build, origin: str) -> None:
    response = await build(router, settings=NAMED).get(PATH, headers=[("origin", origin)])

    assert response.status == 200
    assert not [name for name in response.headers if name.startswith("access-control")]


@pytest.mark.parametrize("headers", [[], [("origin", APP)], [("origin", "https://evil.com")]])
async def test_response_varies_by_origin(build: Build, headers: list[tuple[str, str]]) -> None:
    assert "Origin" in (await build(router, settings=NAMED).get(PATH, headers=headers)).all("vary")


async def test_error_responses_have_cors_headers(build: Build) -> None:
    asgi_client = build(router, settings=(HttpSettings(cors_origins=(APP,), max_body_size=1024),))
    large = await asgi_client.post("/api/v1/public/shelf/echo", headers=[("origin", APP), ("content-length", "5000")])
    unknown = await asgi_client.get("/api/nowhere", headers=[("origin", APP)])

    assert (large.status, large.headers["access-control-allow-origin"]) == (413, APP)
    assert unknown.headers["access-control-allow-origin"] == APP


async def test_preflight_does_not_reach_the_application(build: Build) -> None:
    asgi_client = build(router, settings=NAMED)
    asgi_client.app.context.add(RequestHeaders, RequestHeaders(MODULE.request_headers))
    response = await asgi_client("OPTIONS", PATH, headers=[("origin", APP), *PREFLIGHT])

    assert (response.status, response.body) == (204, b"")
    assert "PATCH" in response.headers["access-control-allow-methods"]
    for name in ("Authorization", "X-CSRF-Token", "X-Team-ID", "If-Match"):
        assert name in response.headers["access-control-allow-headers"]
    assert response.headers["access-control-max-age"] == "600"
    assert "Access-Control-Request-Headers" in response.headers["vary"]


async def test_preflight_of_another_origin_is_refused(build: Build) -> None:
    response = await build(router, settings=NAMED)(
        "OPTIONS", PATH, headers=[("origin", "https://evil.com"), *PREFLIGHT]
    )

    assert (response.status, response.code) == (403, "ORIGIN_NOT_ALLOWED")
    assert "access-control-allow-origin" not in response.headers


async def test_wildcard_allows_all_origins_without_credentials(build: Build) -> None:
    asgi_client = build(router, settings=ALL)
    response = await asgi_client.get(PATH, headers=[("origin", "https://anyone.com")])
    preflight = await asgi_client("OPTIONS", PATH, headers=[("origin", "https://anyone.com"), *PREFLIGHT])

    for headers in (response.headers, preflight.headers):
        assert headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in headers
        assert "Origin" not in headers.get("vary", "")


async def test_cors_is_disabled_without_origins(build: Build) -> None:
    response = await build(router)("OPTIONS", PATH, headers=[("origin", APP), *PREFLIGHT])

    assert (response.status, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "vary" not in response.headers


async def test_origin_is_compared_without_regard_to_case(build: Build) -> None:
    response = await build(router, settings=NAMED).get(PATH, headers=[("origin", APP.upper())])

    assert response.headers["access-control-allow-origin"] == APP.upper()


async def test_options_request_that_is_no_preflight_reaches_the_application(build: Build) -> None:
    response = await build(router, settings=NAMED)("OPTIONS", PATH, headers=[("origin", APP)])

    assert (response.status, response.headers["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert response.headers["access-control-allow-origin"] == APP
    assert "access-control-allow-methods" not in response.headers


async def test_refused_preflight_varies_by_what_was_requested(build: Build) -> None:
    response = await build(router, settings=NAMED)(
        "OPTIONS", PATH, headers=[("origin", "https://evil.com"), *PREFLIGHT]
    )

    assert response.headers["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
