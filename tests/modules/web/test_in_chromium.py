"""The pages in Chromium without JavaScript, against a running server."""

from typing import Any

import pytest
import pytest_asyncio

from tests.modules.auth.users import PASSWORD, RegisteredUser
from tests.modules.conftest import take_screenshot
from tests.modules.mfa.conftest import Clock, MfaUser
from undercroft.core.settings import use
from undercroft.modules.auth.settings import AuthSettings

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 850}},
    "phone": {"viewport": {"width": 375, "height": 720}},
    "dark": {"viewport": {"width": 1280, "height": 850}, "color_scheme": "dark"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def address(address: str) -> str:
    use(AuthSettings(magic_links=True))
    return address


@pytest.mark.parametrize("screen", SCREENS)
async def test_user_signs_in_and_out_without_javascript(
    chromium: Any, address: str, ada: RegisteredUser, screen: str
) -> None:
    context = await chromium.new_context(java_script_enabled=False, **SCREENS[screen])
    page = await context.new_page()
    messages: list[str] = []
    page.on("console", lambda message: messages.append(message.text))
    for path, name in (("/", "welcome"), ("/register", "register"), ("/magic-link?token=x", "link")):
        assert (await page.goto(address + path)).status == 200
        await take_screenshot(page, f"{screen}-{name}")
        assert await page.locator("body").evaluate("body => body.scrollWidth <= window.innerWidth")
    await page.goto(f"{address}/sign-in")
    await page.fill("input[name=email]", ada.email)
    await page.fill("input[name=password]", "not my password")
    await page.press("input[name=password]", "Enter")
    assert await page.locator("[role=alert]").count() == 1
    await take_screenshot(page, f"{screen}-wrong")
    await page.fill("input[name=password]", PASSWORD)
    await page.press("input[name=password]", "Enter")
    assert page.url == f"{address}/app/"  # which needs JavaScript; the start page does not
    await page.goto(f"{address}/")
    await take_screenshot(page, f"{screen}-signed-in")
    await page.click("text=Sign out")
    await take_screenshot(page, f"{screen}-sign-out")
    await page.click("button")
    assert page.url == f"{address}/sign-in"
    await page.fill("input[name=email]", ada.email)
    await page.click("text=Email me a link")
    assert await page.inner_text("h1") == "Check your email"
    await take_screenshot(page, f"{screen}-link-sent")
    await page.goto(f"{address}/nothing-here")
    await take_screenshot(page, f"{screen}-error")
    assert [each for each in messages if "401" not in each and "404" not in each] == []
    await context.close()


async def test_second_factor_page_works_on_a_phone(
    chromium: Any, address: str, mfa_user: MfaUser, clock: Clock
) -> None:
    clock.next_step()
    context = await chromium.new_context(java_script_enabled=False, **SCREENS["phone"])
    page = await context.new_page()
    await page.goto(f"{address}/sign-in?next=/register")
    await page.fill("input[name=email]", mfa_user.user.email)
    await page.fill("input[name=password]", PASSWORD)
    await page.press("input[name=password]", "Enter")
    await take_screenshot(page, "phone-second-factor")
    await page.fill("input[name=code]", mfa_user.app.wrong())
    await page.press("input[name=code]", "Enter")
    await page.click("summary")
    await take_screenshot(page, "phone-second-factor-wrong")
    await page.fill("input[name=code]", mfa_user.app.code())
    await page.press("input[name=code]", "Enter")
    assert page.url == f"{address}/register"
    await context.close()
