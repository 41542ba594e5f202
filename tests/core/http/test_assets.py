"""Files for browsers, asked for by names that another process gave them."""

import subprocess
import sys
from pathlib import Path

import pytest
from httpx import ASGITransport, AsyncClient

import undercroft
from undercroft.app.api import offline_app
from undercroft.core.http import assets

ROOT = Path(undercroft.__file__).parent
FILES = [file for file in ROOT.rglob("assets/**/*") if assets.name_of(file)[1] in assets.TYPES]


@pytest.fixture
def forgetful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that has shown no page yet."""
    monkeypatch.setattr(assets, "_files", {})
    monkeypatch.setattr(assets, "_addresses", {})


@pytest.fixture
async def browser(test_settings: None):
    async with AsyncClient(transport=ASGITransport(app=offline_app()), base_url="http://testserver") as client:
        yield client


def addresses() -> list[str]:
    program = (
        "from pathlib import Path; from undercroft.core.http.assets import asset; "
        f"print(*(asset(Path(file)) for file in {[str(file) for file in FILES]}))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return done.stdout.split()


async def test_a_process_serves_what_the_pages_of_another_one_name(browser: AsyncClient, forgetful: None) -> None:
    named = addresses()
    assert len(named) == len(FILES) >= 8
    for address in named:
        answer = await browser.get(address)
        assert (answer.status_code, bool(answer.content)) == (200, True), address
        assert answer.headers["cache-control"] == assets.IMMUTABLE


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
async def test_nothing_else_is_served(name: str, browser: AsyncClient, forgetful: None) -> None:
    answer = await browser.get(f"/assets/{name}")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
