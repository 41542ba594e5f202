"""The second step by a passkey as people take it: a real Chromium, with an authenticator that it simulates."""

from collections.abc import AsyncIterator
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
async def site(address: str) -> AsyncIterator[str]:
    """Where browsers use passkeys on this machine."""
    settings, local = load(CoreSettings), address.replace("127.0.0.1", "localhost")
    use(settings.model_copy(update={"public_url": local}))
    yield local
    use(settings)


class Visit:
    """A browser's page with an authenticator; it minds what the browser complains of."""

    def __init__(self, page: Any, devtools: Any) -> None:
        self.page = page
        self.complaints: list[str] = []
        self._devtools = devtools
        page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        page.on("pageerror", lambda error: self.complaints.append(str(error)))

    async def sign_in(self, place: str, person: RegisteredUser) -> None:
        await self.page.goto(place)
        await self.page.fill("input[name=email]", person.email)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.keyboard.press("Enter")
        await self.page.wait_for_selector("h1:has-text('Two-factor authentication')")

    async def make_passkey(self, site: str, person: RegisteredUser) -> None:
        await self.page.goto(f"{site}/register")
        options = (await person.send("POST", "/auth/passkeys/options")).json()["options"]
        added = await person.send("POST", "/auth/passkeys", {"credential": await self.page.evaluate(CREATE, options)})
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
@pytest.mark.parametrize("door", FLOWS)
async def test_who_has_only_a_passkey_comes_in_with_a_key_press(
    chromium: Any, site: str, ada: RegisteredUser, door: str, screen: str
) -> None:
    here = await visit(chromium, **SCREENS[screen])
    await here.make_passkey(site, ada)
    place, target = FLOWS[door]
    await here.sign_in(site + place, ada)
    assert await here.page.locator("input[name=code]").count() == 0
    assert await here.focus() == "Use a passkey"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"{screen}-{door}-passkey")
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_url(site + target)
    assert [each for each in here.complaints if "403" not in each] == []


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("door", FLOWS)
async def test_beside_a_code_a_passkey_is_offered(
    chromium: Any, site: str, ada: RegisteredUser, clock: Clock, door: str, screen: str
) -> None:
    here = await visit(chromium, **SCREENS[screen])
    await here.make_passkey(site, ada)
    await enable_totp(ada, clock)
    place, target = FLOWS[door]
    await here.sign_in(site + place, ada)
    assert await here.focus() == "code"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"{screen}-{door}-code-or-passkey")
    await here.page.dblclick(BUTTON)
    await here.page.wait_for_url(site + target)


@pytest.mark.parametrize("door", FLOWS)
async def test_a_refusal_is_told_and_may_be_mended(chromium: Any, site: str, ada: RegisteredUser, door: str) -> None:
    here = await visit(chromium, **SCREENS["phone"])
    await here.make_passkey(site, ada)
    await here.sign_in(site + FLOWS[door][0], ada)
    await here.lose_passkeys()
    for _ in range(2):
        await here.page.click(BUTTON)
        await here.page.wait_for_selector("[role=alert]:has-text('No passkey was used')")
        assert await here.focus() == "Use a passkey"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"phone-{door}-canceled")
    await here.page.click("summary")
    await here.page.fill("input[name=recovery_code]", "no such code")
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_selector("[role=alert]:has-text('already used code')")
    assert await here.focus() == "recovery_code"
    await take_screenshot(here.page, f"phone-{door}-recovery-wrong")


async def test_a_browser_without_passkeys_says_so(chromium: Any, site: str, ada: RegisteredUser) -> None:
    here = await visit(chromium, **SCREENS["wide"])
    await here.make_passkey(site, ada)
    await here.page.add_init_script("delete window.PublicKeyCredential")
    await here.sign_in(f"{site}/sign-in", ada)
    await here.page.wait_for_selector("[role=alert]:has-text('does not support passkeys')")
    assert not await here.page.is_visible(BUTTON)
    await take_screenshot(here.page, "wide-absent")
    assert here.complaints == []


async def test_at_another_address_the_right_one_is_named(
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


@pytest.mark.parametrize("door", FLOWS)
async def test_without_scripts_a_recovery_code_is_what_is_left(
    chromium: Any, site: str, ada: RegisteredUser, clock: Clock, door: str
) -> None:
    await (await visit(chromium)).make_passkey(site, ada)
    here = await visit(chromium, java_script_enabled=False, **SCREENS["phone"])
    await here.sign_in(site + FLOWS[door][0], ada)
    assert await here.page.is_visible("text=require JavaScript")
    assert not await here.page.is_visible(BUTTON)
    await take_screenshot(here.page, f"phone-{door}-no-script")
    await here.page.click("summary")
    assert await here.page.is_visible("input[name=recovery_code]")
    mfa_user = await enable_totp(ada, clock)
    await here.sign_in(site + FLOWS[door][0], ada)
    assert not await here.page.is_visible(BUTTON)
    await here.page.fill("input[name=code]", mfa_user.app.code())
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_url(site + FLOWS[door][1])


@pytest.mark.parametrize("screen", SCREENS)
@pytest.mark.parametrize("door", FLOWS)
async def test_a_passkey_alone_lets_in(chromium: Any, site: str, ada: RegisteredUser, door: str, screen: str) -> None:
    here = await visit(chromium, **SCREENS[screen])
    await here.make_passkey(site, ada)
    place, target = FLOWS[door]
    await here.page.goto(site + place)
    await take_screenshot(here.page, f"{screen}-{door}-first")
    await here.page.click("text=Sign in with a passkey")
    await here.page.wait_for_selector(BUTTON)
    assert await here.focus() == "Use a passkey"
    assert await here.has_no_horizontal_scroll()
    await take_screenshot(here.page, f"{screen}-{door}-alone")
    await here.page.keyboard.press("Enter")
    await here.page.wait_for_url(site + target)
    await here.lose_passkeys()
    await here.page.context.clear_cookies()
    await here.page.goto(site + place)
    await here.page.click("text=Sign in with a passkey")
    await here.page.click(BUTTON)
    await here.page.wait_for_selector("[role=alert]:has-text('or sign in with your password')")
    await take_screenshot(here.page, f"{screen}-{door}-alone-canceled")
    await here.page.click("text=Sign in another way")
    await here.page.wait_for_selector("input[name=password]")
    assert [each for each in here.complaints if "403" not in each] == []
