"""An invitation as people meet it: the mail, the page, the buttons, in a real Chromium against a real server."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from granian.server.embed import Server

from tests.modules.auth.people import PASSWORD, Mailbox, new_address
from tests.modules.teams.acts import invited, make_team, roles_in
from undercroft.core.http.application import Api
from undercroft.devstack.machine import free_port
from undercroft.testing.jobs import JobsInTest

CHROMIUM = Path("/usr/bin/chromium")
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
pytestmark = pytest.mark.skipif(not CHROMIUM.exists(), reason="There is no Chromium at /usr/bin/chromium.")


@pytest_asyncio.fixture(loop_scope="session")
async def address(app: Api) -> AsyncIterator[str]:
    """The application at a real port."""
    port = free_port()
    server: Any = Server(app, "127.0.0.1", port, interface="asginl", log_enabled=False)
    serving = asyncio.create_task(server.serve())
    yield f"http://127.0.0.1:{port}"
    server.stop()
    with suppress(asyncio.CancelledError):
        await serving


@pytest_asyncio.fixture(loop_scope="session")
async def page() -> AsyncIterator[Any]:
    from playwright.async_api import async_playwright

    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=str(CHROMIUM), args=FLAGS)
        page = await (await browser.new_context()).new_page()
        complaints: list[str] = []
        page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        yield page
        await browser.close()
        assert complaints == []


@pytest.fixture
def mailbox(mailbox_folder: Path, jobs: JobsInTest) -> Mailbox:
    return Mailbox.from_now_on(mailbox_folder, jobs)


async def look(page: Any, name: str) -> None:
    """A picture to be looked at, where SCREENSHOTS names a folder."""
    if folder := os.environ.get("SCREENSHOTS"):
        await page.screenshot(path=f"{folder}/invitation-{name}.png", full_page=True)


async def test_a_new_person_comes_in_by_the_mail(
    address: str, page: Any, somebody: Any, mailbox: Mailbox, mailbox_folder: Path
) -> None:
    owner, email = await somebody(), new_address()
    team = await make_team(owner.client, name="Otters & Sons")
    token = await invited(owner.client, team, email, mailbox, "admin")
    await page.set_content(html_of(mailbox_folder, email))
    await look(page, "mail")
    await page.goto(f"{address}/invitation?token={token}")
    assert await page.text_content("h1") == "Join Otters & Sons"
    await look(page, "register")
    await page.fill("input[name=full_name]", "Ada Lovelace")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_selector("text=Welcome to Otters & Sons")
    await look(page, "welcome")
    (cookie,) = [each for each in await page.context.cookies() if each["httpOnly"]]
    assert cookie["sameSite"] == "Lax"
    assert (await roles_in(owner.client, team))[email] == "admin"


async def test_whoever_is_signed_in_accepts_or_is_told_to_sign_out_first(
    address: str, page: Any, somebody: Any, mailbox: Mailbox
) -> None:
    owner, email = await somebody(), new_address()
    first, second = await make_team(owner.client), await make_team(owner.client)
    await page.goto(f"{address}/invitation?token={await invited(owner.client, first, email, mailbox)}")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_selector("text=Welcome to Acme")
    await page.goto(f"{address}/invitation?token={await invited(owner.client, second, email, mailbox)}")
    await look(page, "accept")
    await page.click("text=Accept the invitation")
    await page.wait_for_selector("text=Welcome to Acme")
    assert email in await roles_in(owner.client, second)
    other = await invited(owner.client, second, new_address(), mailbox)
    await page.goto(f"{address}/invitation?token={other}")
    await look(page, "another")
    await page.click("text=Sign out and go on")
    await page.wait_for_selector("text=Create my account and join")


async def test_on_a_phone_and_in_the_dark(address: str, page: Any, somebody: Any, mailbox: Mailbox) -> None:
    owner, known = await somebody(), await somebody()
    team = await make_team(owner.client)
    await page.set_viewport_size({"width": 375, "height": 700})
    await page.emulate_media(color_scheme="dark")
    await page.goto(f"{address}/invitation?token={await invited(owner.client, team, known.email, mailbox)}")
    await look(page, "sign-in")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def html_of(folder: Path, to: str) -> str:
    for path in folder.rglob("*.eml"):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = message.get_body(("html",))
        if message["To"] == to and body is not None:
            return str(body.get_content())
    raise LookupError(to)
