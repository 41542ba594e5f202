from tests.core.http.conftest import Build
from tests.core.http.middleware.sample_routes import pages, router
from undercroft.core.http.settings import HttpSettings
from undercroft.core.settings import CoreSettings, Environment

PATH = "/api/v1/public/shelf"
PRODUCTION = CoreSettings(environment=Environment.PRODUCTION, public_url="https://api.example.com")


async def test_api_response_has_all_security_headers(build: Build) -> None:
    headers = (await build(router).get(f"{PATH}/who")).headers

    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cache-control"] == "no-store"
    assert "camera=()" in headers["permissions-policy"]
    assert headers["content-security-policy"].startswith("default-src 'none'")


async def test_error_response_has_security_headers(build: Build) -> None:
    for response in (await build(router).get("/api/nowhere"), await build(router)("PUT", f"{PATH}/who")):
        assert response.headers["x-content-type-options"] == "nosniff"


async def test_headers_of_the_response_are_not_overridden(build: Build) -> None:
    response = await build(router).get(f"{PATH}/headers")

    assert response.all("content-security-policy") == ["default-src 'self'"]
    assert response.all("cache-control") == ["public, max-age=60"]
    assert response.all("x-frame-options") == ["DENY"]


async def test_pages_may_be_cached(build: Build) -> None:
    assert "cache-control" not in (await build(pages).get("/pages/hello")).headers


async def test_hsts_is_sent_in_production_only(build: Build) -> None:
    assert "strict-transport-security" not in (await build(router).get(f"{PATH}/who")).headers
    production = await build(router, settings=(PRODUCTION,)).get(f"{PATH}/who")
    assert production.headers["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    off = await build(router, settings=(PRODUCTION, HttpSettings(hsts="off"))).get(f"{PATH}/who")
    assert "strict-transport-security" not in off.headers


async def test_page_with_a_path_like_that_of_the_api_is_a_page(build: Build) -> None:
    headers = (await build(pages).get("/apiary")).headers

    assert "cache-control" not in headers
    assert headers["referrer-policy"] == "strict-origin-when-cross-origin"
