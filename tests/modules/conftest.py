"""A real Chromium against a real server."""

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import pytest_asyncio

from undercroft.app.server import Server, server_config
from undercroft.core.http.application import Api
from undercroft.devstack.machine import free_port

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]


@asynccontextmanager
async def serve(app: Api) -> AsyncIterator[str]:
    """An application at a real port."""
    port = free_port()
    server = Server(server_config(app, "127.0.0.1", port, lifespan="off"))
    serving = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    await serving


@pytest_asyncio.fixture(loop_scope="session")
async def address(app: Api) -> AsyncIterator[str]:
    """The application at a real port."""
    async with serve(app) as url:
        yield url


@pytest_asyncio.fixture(loop_scope="session")
async def chromium() -> AsyncIterator[Any]:
    """A browser of playwright; the test is skipped where there is none."""
    if CHROMIUM is None:
        pytest.skip("There is no Chromium on this machine.")
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        await browser.close()


async def take_screenshot(page: Any, name: str) -> None:
    """A picture to look at, where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/{name}.png", full_page=True)
