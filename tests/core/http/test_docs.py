import gzip
import json
import re

import pytest

from tests.core.http.conftest import Build
from undercroft.core.http.settings import HttpSettings

GZIP = [("accept-encoding", "gzip, br")]


async def test_docs_page_makes_no_third_party_requests(build: Build) -> None:
    page = (await build().get("/docs")).body.decode()

    assert "http://" not in page
    assert "https://" not in page
    assert "//cdn" not in page


async def test_docs_csp_allows_only_scripts_of_this_server(build: Build) -> None:
    response = await build().get("/docs")

    policy = dict(part.strip().split(" ", 1) for part in response.headers["content-security-policy"].split(";"))
    assert policy["script-src"] == "'self'"
    assert policy["default-src"] == "'none'"
    assert policy["connect-src"] == "'self'"
    assert b"<script>" not in response.body


async def test_docs_assets_are_immutable(build: Build) -> None:
    asgi_client = build()
    names = re.findall(r'src="([^"]+)"', (await asgi_client.get("/docs")).body.decode())

    assert len(names) == 2
    for name in names:
        response = await asgi_client.get(name, headers=GZIP)
        assert response.status == 200
        assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert response.headers["content-type"].startswith("text/javascript")
        assert response.headers["content-encoding"] == "gzip"
        assert (await asgi_client.get(name)).body == gzip.decompress(response.body)


@pytest.mark.parametrize(
    "name", ["", "..", "../settings.py", "scalar.js", "scalar.0000000000000000.js", "%2e%2e", "\0"]
)
async def test_other_files_are_not_found(build: Build, name: str) -> None:
    assert (await build().get(f"/assets/{name}")).status == 404


async def test_openapi_document_is_cached(build: Build) -> None:
    asgi_client = build()
    response = await asgi_client.get("/openapi.json")

    assert json.loads(response.body)["openapi"].startswith("3.1")
    again = await asgi_client.get("/openapi.json", headers=[("if-none-match", response.headers["etag"])])
    assert (again.status, again.body) == (304, b"")


@pytest.mark.parametrize("path", ["/openapi.json", "/docs"])
async def test_documentation_is_rate_limited_by_address(build: Build, path: str) -> None:
    limited = build(settings=(HttpSettings(rate_limit_public="2/minute", rate_limit_scale=1),))
    for _ in range(2):
        assert (await limited.get(path)).status == 200
    refused = await limited.get(path)
    assert (refused.status, refused.code) == (429, "TOO_MANY_REQUESTS")
    assert (await limited.get(path, client=("192.0.2.11", 4711))).status == 200
