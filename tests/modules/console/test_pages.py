"""The files of the console, as the server sends them."""

import gzip
import re
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256

import httpx2 as httpx
import pytest
import pytest_asyncio

from undercroft.core.http.application import Api
from undercroft.modules.console.service.build import read_file, read_manifest
from undercroft.testing.users import make_client

INLINE_SCRIPT = re.compile(r"<script(?![^>]*\ssrc=)[^>]*>(.*?)</script>", re.DOTALL)


@pytest_asyncio.fixture(loop_scope="session")
async def http(app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(app) as client:
        yield client


def pages() -> list[str]:
    return sorted(name for name in read_manifest().files if name.endswith("/index.html") or name == "index.html")


@pytest.mark.parametrize("page", pages())
async def test_page_allows_only_its_own_scripts_and_styles(http: httpx.AsyncClient, page: str) -> None:
    response = await http.get(f"/app/{page.removesuffix('index.html')}")
    assert (response.status_code, response.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    policy = dict(part.split(" ", 1) for part in response.headers["Content-Security-Policy"].split("; "))
    hashes = {f"'sha256-{b64encode(sha256(script.encode()).digest()).decode()}'" for script in scripts(response.text)}
    assert set(policy["script-src"].split()) == {"'self'", *hashes}
    assert policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert " style=" not in response.text  # which the policy refuses
    assert response.headers["Cache-Control"] == "no-cache"


def scripts(html: str) -> list[str]:
    return INLINE_SCRIPT.findall(html)


@pytest.mark.parametrize("encoding", ["br", "gzip", "identity"])
async def test_file_is_sent_in_the_accepted_encoding(http: httpx.AsyncClient, encoding: str) -> None:
    name = next(name for name in read_manifest().files if name.startswith("_next/static/chunks/"))
    response = await http.get(f"/app/{name}", headers={"Accept-Encoding": encoding})
    assert response.status_code == 200
    assert response.headers.get("Content-Encoding", "identity") == encoding
    assert response.content == gzip.decompress(read_file(name, "gzip"))
    assert "Accept-Encoding" in response.headers["Vary"]
    assert response.headers["Cache-Control"] == "public, max-age=31536000, immutable"


async def test_unchanged_page_is_304_with_its_policy(http: httpx.AsyncClient) -> None:
    first = await http.get("/app/")
    again = await http.get("/app/", headers={"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["Content-Security-Policy"] == first.headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    ("path", "location"),
    [("/app", "/app/"), ("/app/projects", "/app/projects/"), ("/app/projects?q=web", "/app/projects/?q=web")],
)
async def test_missing_slash_is_added(http: httpx.AsyncClient, path: str, location: str) -> None:
    response = await http.get(path)
    assert (response.status_code, response.headers["Location"]) == (303, location)


@pytest.mark.parametrize(
    "path",
    [
        "nothing",
        "nothing/",
        "manifest.json",
        "index.html.br",
        "../pages.py",
        "%2e%2e/pages.py",
        "_next/",
        "\u00e9",
        "%00",
    ],
)
async def test_other_paths_are_the_page_of_404(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(f"/app/{path}")
    assert response.status_code == 404
    if "pages.py" not in path:  # clients resolve `..` themselves
        assert response.headers["Content-Type"] == "text/html; charset=utf-8"


async def test_configuration_names_the_pages_of_this_installation(http: httpx.AsyncClient) -> None:
    found = (await http.get("/api/v1/public/console")).json()
    assert found["admin_url"] == "/admin"
    assert found["docs_url"] == "/docs"
    assert found["disabled_modules"] == []
