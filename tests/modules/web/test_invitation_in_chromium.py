"""An invitation from the email to the joined team, in Chromium against a running server."""

from collections.abc import AsyncIterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest_asyncio

from tests.modules.auth.users import PASSWORD, Mailbox, new_email
from tests.modules.conftest import take_screenshot
from tests.modules.teams.requests import invite_and_get_token, list_member_roles, make_team


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Any) -> AsyncIterator[Any]:
    page = await (await chromium.new_context()).new_page()
    complaints: list[str] = []
    page.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    yield page
    assert complaints == []


async def test_visitor_without_account_registers_from_the_email(
    address: str, page: Any, create_user: Any, mailbox: Mailbox, mailbox_folder: Path
) -> None:
    owner, email = await create_user(), new_email()
    team = await make_team(owner.client, name="Otters & Sons")
    token = await invite_and_get_token(owner.client, team, email, mailbox, "admin")
    await page.set_content(read_html(mailbox_folder, email))
    await take_screenshot(page, "invitation-mail")
    await page.goto(f"{address}/invitation?token={token}")
    assert await page.text_content("h1") == "Join Otters & Sons"
    await take_screenshot(page, "invitation-register")
    await page.fill("input[name=full_name]", "Ada Lovelace")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_selector("text=You joined Otters & Sons")
    await take_screenshot(page, "invitation-welcome")
    cookies = {each["name"]: each for each in await page.context.cookies()}
    assert "uc_session" in cookies
    assert {(each["httpOnly"], each["sameSite"]) for each in cookies.values()} == {(True, "Lax")}
    assert (await list_member_roles(owner.client, team))[email] == "admin"


async def test_signed_in_user_accepts_or_is_asked_to_sign_out(
    address: str, page: Any, create_user: Any, mailbox: Mailbox
) -> None:
    owner, email = await create_user(), new_email()
    first, second = await make_team(owner.client), await make_team(owner.client)
    await page.goto(f"{address}/invitation?token={await invite_and_get_token(owner.client, first, email, mailbox)}")
    await page.fill("input[name=password]", PASSWORD)
    await page.click("button[type=submit]")
    await page.wait_for_selector("text=You joined Acme")
    await page.goto(f"{address}/invitation?token={await invite_and_get_token(owner.client, second, email, mailbox)}")
    await take_screenshot(page, "invitation-accept")
    await page.click("text=Accept invitation")
    await page.wait_for_selector("text=You joined Acme")
    assert email in await list_member_roles(owner.client, second)
    other = await invite_and_get_token(owner.client, second, new_email(), mailbox)
    await page.goto(f"{address}/invitation?token={other}")
    await take_screenshot(page, "invitation-another")
    await page.click("text=Sign out and continue")
    await page.wait_for_selector("text=Create account and join")


async def test_page_fits_a_phone_in_dark_mode(address: str, page: Any, create_user: Any, mailbox: Mailbox) -> None:
    owner, known = await create_user(), await create_user()
    team = await make_team(owner.client)
    await page.set_viewport_size({"width": 375, "height": 700})
    await page.emulate_media(color_scheme="dark")
    await page.goto(
        f"{address}/invitation?token={await invite_and_get_token(owner.client, team, known.email, mailbox)}"
    )
    await take_screenshot(page, "invitation-sign-in")
    assert await page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def read_html(folder: Path, to: str) -> str:
    for path in folder.rglob("*.eml"):
        message = message_from_bytes(path.read_bytes(), policy=policy.default)
        body = message.get_body(("html",))
        if message["To"] == to and body is not None:
            return str(body.get_content())
    raise LookupError(to)
