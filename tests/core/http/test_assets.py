"""Static files, requested by names that another process generated."""

import gzip
import subprocess
import sys
from pathlib import Path

import pytest
from httpx2 import ASGITransport, AsyncClient

import undercroft
from tests.enabled import DISABLED
from undercroft.app.api import offline_app
from undercroft.core.http import assets

ROOT = Path(undercroft.__file__).parent
FILES = [
    file
    for file in ROOT.rglob("assets/**/*")
    if assets.split_name(file)[1] in assets.TYPES and DISABLED.isdisjoint(file.relative_to(ROOT).parts)
]


@pytest.fixture
async def browser(test_settings: None):
    """A client of a process that has rendered no page yet."""
    async with AsyncClient(transport=ASGITransport(app=offline_app()), base_url="http://testserver") as client:
        yield client


def asset_urls() -> list[str]:
    program = (
        "from pathlib import Path; from undercroft.core.http.assets import asset_url; "
        f"print(*(asset_url(Path(file)) for file in {[str(file) for file in FILES]}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


async def test_process_serves_assets_linked_by_another_process(browser: AsyncClient) -> None:
    named = asset_urls()
    assert len(named) == len(FILES) >= 5
    for address in named:
        response = await browser.get(address)
        assert (response.status_code, bool(response.content)) == (200, True), address
        assert response.headers["cache-control"] == assets.IMMUTABLE


@pytest.mark.parametrize(
    "name",
    [
        "pages.css",
        "pages.0000000000000000.css",
        "scalar",
        "scalar.",
        "scalar.x.gz",
        "*.0000000000000000.css",
        "..%2Fpages.0000000000000000.css",
        "%00.0000000000000000.css",
        "passkey.0000000000000000.py",
    ],
)
async def test_other_names_are_not_found(name: str, browser: AsyncClient) -> None:
    response = await browser.get(f"/assets/{name}")
    assert (response.status_code, response.json()["error"]["code"]) == (404, "NOT_FOUND")


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [("gzip", "gzip"), ("gzip, br", "gzip"), ("br", "br"), ("identity", None), ("gzip;q=0", None)],
)
async def test_asset_has_its_content_in_an_accepted_coding(
    browser: AsyncClient, accepted: str, coding: str | None
) -> None:
    for file in FILES:
        response = await browser.get(assets.Assets().url(file), headers={"Accept-Encoding": accepted})
        given = response.headers.get("content-encoding")
        assert given == coding or (coding == "br" and given is None), f"{file}: small files are not compressed"
        content = file.read_bytes()
        assert response.content == (gzip.decompress(content) if file.suffix == ".gz" else content), file
        assert set(response.headers["vary"].split(", ")) == {"Accept-Encoding"}
        assert response.headers["cross-origin-resource-policy"] == "same-origin"
