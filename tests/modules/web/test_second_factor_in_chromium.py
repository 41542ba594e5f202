"""Passkeys on sign-in pages in Chromium, with a virtual authenticator."""

from typing import Any

import pytest
import pytest_asyncio

from tests.modules.auth.users import PASSWORD, RegisteredUser
from tests.modules.conftest import take_screenshot
from tests.modules.mfa.conftest import Clock, enable_totp
from tests.modules.mfa.test_browser import AUTHENTICATOR, CREATE
from undercroft.core.settings import CoreSettings, load, use

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {"viewport": {"width": 1280, "height": 850}},
    "phone": {"viewport": {"width": 375, "height": 720}},
    "dark": {"viewport": {"width": 1280, "height": 850}, "color_scheme": "dark"},
}
FLOWS = {"sign-in": ("/sign-in?next=/register", "/register"), "admin": ("/admin/login", "/admin/")}
BUTTON = "button:has-text('Use a passkey')"


@pytest_asyncio.fixture(loop_scope="session")
async def site(address: str) -> str:
    """The URL of the site on localhost, where browsers allow passkeys."""
    local = address.replace("127.0.0.1", "localhost")
    use(load(CoreSettings).model_copy(update={"public_url": local}))
    return local


class Visit:
    """A browser page with a virtual authenticator; it records console errors."""

    def __init__(self, page: Any, devtools: Any) -> None:
        self.page = page
        self.console_errors: list[str] = []
        self._devtools = devtools
        page.on(
            "console", lambda message: self.console_errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))

    async def sign_in(self, path: str, user: RegisteredUser) -> None:
        await self.page.goto(path)
        await self.page.fill("input[name=email]", user.email)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_selector("h1:has-text('Two-factor authentication')")

    async def make_passkey(self, site: str, user: RegisteredUser) -> None:
        await self.page.goto(f"{site}/register")
        options = (await user.send("POST", "/auth/passkeys/options")).json()["options"]
        added = await user.send("POST", "/auth/passkeys", {"credential": await self.page.evaluate(CREATE, options)})
        assert added.status_code == 201, added.text

    async def lose_passkeys(self) -> None:
        await self._devtools.send("WebAuthn.clearCredentials", {"authenticatorId": self._authenticator})

    async def plug_in(self) -> "Visit":
        await self._devtools.send("WebAuthn.enable")
        added = await self._devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
        self._authenticator = added["authenticatorId"]
        return self

    async def focus(self) -> str:
        return str(await self.page.evaluate("document.activeElement.innerText || document.activeElement.name"))

    async def has_no_horizontal_scroll(self) -> bool:
        return bool(await self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


async def visit(chromium: Any, **wishes: Any) -> Visit:
    page = await (await chromium.new_context(**wishes)).new_page()
    return await Visit(page, await page.context.new_cdp_session(page)).plug_in()


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("flow", FLOWS)
async def test_passkey_only_user_signs_in_with_one_key_press(
    chromium: Any, site: str, ada: RegisteredUser, flow: str, screen: str
) -> None:
    here = await visit(chromium, **SCREENS[screen])
    await here.make_passkey(site, ada)
    path, target = FLOWS[flow]
    await here.sign_in(site + path, ada)
    assert await here.page.locator("input[name=code]").count() == 0
    assert await here.focus() == "Use a passkey"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"{screen}-{flow}-passkey")
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_url(site + target)
    assert [each for each in here.console_errors if "403" not in each] == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("flow", FLOWS)
async def test_passkey_is_offered_beside_the_code(
    chromium: Any, site: str, ada: RegisteredUser, clock: Clock, flow: str, screen: str
) -> None:
    here = await visit(chromium, **SCREENS[screen])
    await here.make_passkey(site, ada)
    await enable_totp(ada, clock)
    path, target = FLOWS[flow]
    await here.sign_in(site + path, ada)
    assert await here.focus() == "code"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"{screen}-{flow}-code-or-passkey")
    await here.page.dblclick(BUTTON)
    await here.page.wait_for_url(site + target)


@pytest.mark.parametrize("flow", FLOWS)
async def test_failed_passkey_shows_an_error_and_allows_another_attempt(
    chromium: Any, site: str, ada: RegisteredUser, flow: str
) -> None:
    here = await visit(chromium, **SCREENS["phone"])
    await here.make_passkey(site, ada)
    await here.sign_in(site + FLOWS[flow][0], ada)
    await here.lose_passkeys()
    for _ in range(2):
        await here.page.click(BUTTON)
        await here.page.wait_for_selector("[role=alert]:has-text('No passkey was used')")
        assert await here.focus() == "Use a passkey"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"phone-{flow}-canceled")
    await here.page.click("summary")
    await here.page.fill("input[name=recovery_code]", "no such code")
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_selector("[role=alert]:has-text('already used code')")
    assert await here.focus() == "recovery_code"
    await take_screenshot(here.page, f"phone-{flow}-recovery-wrong")


async def test_browser_without_passkey_support_shows_an_error(chromium: Any, site: str, ada: RegisteredUser) -> None:
    here = await visit(chromium, **SCREENS["wide"])
    await here.make_passkey(site, ada)
    await here.page.add_init_script("delete window.PublicKeyCredential")
    await here.sign_in(f"{site}/sign-in", ada)
    await here.page.wait_for_selector("[role=alert]:has-text('does not support passkeys')")
    assert not await here.page.is_visible(BUTTON)
    await take_screenshot(here.page, "wide-absent")
    assert here.console_errors == []


async def test_page_on_another_host_links_to_the_passkey_domain(
    chromium: Any, site: str, address: str, ada: RegisteredUser
) -> None:
    here = await visit(chromium, **SCREENS["wide"])
    await here.make_passkey(site, ada)
    await here.sign_in(f"{address}/sign-in", ada)
    await here.page.click(BUTTON)
    await here.page.wait_for_selector("[role=alert]:has-text('Passkeys work only on localhost')")
    await take_screenshot(here.page, "wide-elsewhere")
    await here.page.click("text=Open this page on localhost")
    assert here.page.url == f"{site}/sign-in"


@pytest.mark.parametrize("flow", FLOWS)
async def test_recovery_code_works_without_javascript(
    chromium: Any, site: str, ada: RegisteredUser, clock: Clock, flow: str
) -> None:
    await (await visit(chromium)).make_passkey(site, ada)
    here = await visit(chromium, java_script_enabled=False, **SCREENS["phone"])
    await here.sign_in(site + FLOWS[flow][0], ada)
    assert await here.page.is_visible("text=require JavaScript")
    assert not await here.page.is_visible(BUTTON)
    await take_screenshot(here.page, f"phone-{flow}-no-script")
    await here.page.click("summary")
    assert await here.page.is_visible("input[name=recovery_code]")
    mfa_user = await enable_totp(ada, clock)
    await here.sign_in(site + FLOWS[flow][0], ada)
    assert not await here.page.is_visible(BUTTON)
    await here.page.fill("input[name=code]", mfa_user.app.code())
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_url(site + FLOWS[flow][1])


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("flow", FLOWS)
async def test_passkey_alone_signs_in(chromium: Any, site: str, ada: RegisteredUser, flow: str, screen: str) -> None:
    here = await visit(chromium, **SCREENS[screen])
    await here.make_passkey(site, ada)
    path, target = FLOWS[flow]
    await here.page.goto(site + path)
    await take_screenshot(here.page, f"{screen}-{flow}-first")
    await here.page.click("text=Sign in with a passkey")
    await here.page.wait_for_selector(BUTTON)
    assert await here.focus() == "Use a passkey"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"{screen}-{flow}-alone")
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_url(site + target)
    await here.lose_passkeys()
    await here.page.context.clear_cookies()
    await here.page.goto(site + path)
    await here.page.click("text=Sign in with a passkey")
    await here.page.click(BUTTON)
    await here.page.wait_for_selector("[role=alert]:has-text('or sign in with your password')")
    await take_screenshot(here.page, f"{screen}-{flow}-alone-canceled")
    await here.page.click("text=Sign in another way")
    await here.page.wait_for_selector("input[name=password]")
    assert [each for each in here.console_errors if "403" not in each] == []
