"""End-to-end tests of `/admin` with Chromium and a running server."""

import re
from pathlib import Path
from typing import Any

from tests.modules.admin.conftest import PASSWORD, enable_totp, set_password
from tests.modules.conftest import take_screenshot
from tests.modules.mfa.conftest import Clock
from undercroft.core.auth import PlatformRole
from undercroft.core.db import Database
from undercroft.testing.users import SignedInUser


class Visit:
    """A browser page that records console errors and external requests."""

    def __init__(self, page: Any, address: str) -> None:
        self.page = page
        self.address = address
        self.console_errors: list[str] = []
        self.outside: list[str] = []
        page.on(
            "console", lambda message: self.console_errors.append(message.text) if message.type == "error" else None
        )
        page.on("pageerror", lambda error: self.console_errors.append(str(error)))
        page.on(
            "request",
            lambda request: None if request.url.startswith((address, "data:")) else self.outside.append(request.url),
        )

    async def goto(self, path: str) -> Any:
        return await self.page.goto(self.address + path)

    async def sign_in(self, email: str) -> None:
        await self.goto("/admin/login")
        await self.page.fill("input[name=email]", email)
        await self.page.fill("input[name=password]", PASSWORD)
        await self.page.click("button[type=submit]")


async def visit(chromium: Any, address: str, width: int = 1280, **wishes: Any) -> Visit:
    context = await chromium.new_context(viewport={"width": width, "height": 850}, accept_downloads=True, **wishes)
    return Visit(await context.new_page(), address)


async def create_person(create_user: Any, database: Database, role: PlatformRole, **who: Any) -> SignedInUser:
    person: SignedInUser = await create_user(role=role, **who)
    await set_password(database, person)
    return person


async def test_administrator_signs_in_with_mfa_lists_searches_filters_edits_and_exports(
    chromium: Any, address: str, create_user: Any, database: Database, clock: Clock
) -> None:
    admin = await create_person(create_user, database, PlatformRole.ADMIN, email="admin@example.com")
    other = await create_person(create_user, database, PlatformRole.USER, email="ada@example.com")
    await other.client.post("/api/v1/app/projects", json={"name": "=HYPERLINK(1)"})
    authenticator = await enable_totp(admin, clock)
    here = await visit(chromium, address)
    page = here.page
    await here.sign_in(admin.email)
    await take_screenshot(here.page, "code")
    await page.fill("input[name=code]", authenticator.code())
    await page.click("button[type=submit]")
    await page.wait_for_url("**/admin/")
    await take_screenshot(here.page, "dashboard")
    assert await page.locator(".chart svg").count() >= 3

    await page.click("text=Accounts")
    await page.click("a.nav-link:has-text('Users')")
    await page.wait_for_selector("td:has-text('ada@example.com')")
    await take_screenshot(here.page, "users")
    await page.fill("#search-input", "ada@")
    await page.click("#search-button")
    await page.wait_for_url("**search=ada**")
    assert await page.locator("td:has-text('admin@example.com')").count() == 0

    await here.goto("/admin/user/list")
    await page.click("#filter-sidebar a:has-text('Admin')")
    await page.wait_for_url("**role=admin**")
    assert await page.locator("td:has-text('ada@example.com')").count() == 0

    await here.goto(f"/admin/user/edit/{other.user_id}")
    await take_screenshot(here.page, "edit")
    await page.fill("#full_name", "Ada Lovelace")
    await page.click("input[value=Save]")
    await page.wait_for_selector("td:has-text('Ada Lovelace')")

    await here.goto("/admin/project/list")
    await take_screenshot(here.page, "projects")
    async with page.expect_download() as download:
        await page.click("a:has-text('CSV')")
    text = Path(await (await download.value).path()).read_text()
    assert "'=HYPERLINK(1)" in text

    await here.goto(f"/admin/user/details/{other.user_id}")
    await take_screenshot(here.page, "details")
    assert "argon2" not in await page.content()
    await page.click("text=Sign out")
    await page.wait_for_url("**/admin/login")
    assert here.console_errors == []
    assert here.outside == []


async def test_project_keeps_its_lines_when_edited_and_is_deleted_after_confirmation(
    chromium: Any, address: str, create_user: Any, database: Database
) -> None:
    admin = await create_person(create_user, database, PlatformRole.ADMIN)
    sent = {"name": "Website", "description": "One.\n\nTwo."}
    response = await admin.client.post("/api/v1/app/projects", json=sent)
    key = response.json()["id"]
    here = await visit(chromium, address)
    page = here.page
    await here.sign_in(admin.email)
    await page.wait_for_url("**/admin/")
    await here.goto(f"/admin/project/edit/{key}")
    assert await page.text_content(".page-title") == "Website"
    await page.select_option("select[name=status]", "done")
    await page.click("input[value=Save]")
    await page.wait_for_url("**/admin/project/list")
    saved = (await admin.client.get(f"/api/v1/app/projects/{key}")).json()
    assert (saved["status"], saved["description"]) == ("done", "One.\n\nTwo.")

    await here.goto(f"/admin/project/details/{key}")
    await page.click(".btn-danger:has-text('Delete')")
    await page.wait_for_selector("#modal-delete :text('Members can restore it')")
    await take_screenshot(here.page, "question")
    await page.click("#modal-delete-button")
    await page.wait_for_url("**/admin/project/list")
    assert (await admin.client.get(f"/api/v1/app/projects/{key}")).status_code == 404
    assert here.console_errors == []


async def test_link_to_a_page_is_followed_after_sign_in(
    chromium: Any, address: str, create_user: Any, database: Database, clock: Clock
) -> None:
    admin = await create_person(create_user, database, PlatformRole.ADMIN)
    authenticator = await enable_totp(admin, clock)
    here = await visit(chromium, address)
    page = here.page
    await here.goto("/admin/user/list?search=ada@&page=1")
    await page.fill("input[name=email]", admin.email)
    await page.fill("input[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    await page.fill("input[name=code]", authenticator.code())
    await page.keyboard.press("Enter")
    await page.wait_for_url("**/admin/user/list?search=ada@&page=1")
    assert await page.input_value("#search-input") == "ada@"
    assert here.console_errors == []


async def test_color_scheme_follows_the_browser(
    chromium: Any, address: str, create_user: Any, database: Database
) -> None:
    admin = await create_person(create_user, database, PlatformRole.ADMIN)
    shades = {}
    for scheme in ("light", "dark"):
        here = await visit(chromium, address, color_scheme=scheme)
        await here.sign_in(admin.email)
        await here.page.wait_for_url("**/admin/")
        await take_screenshot(here.page, scheme)
        shade = await here.page.evaluate("getComputedStyle(document.body).backgroundColor")
        shades[scheme] = sum(map(int, re.findall(r"\d+", shade)[:3]))
        assert here.console_errors == []
    assert shades["dark"] < 200 < 600 < shades["light"]


async def test_pages_fit_a_phone_screen(chromium: Any, address: str, create_user: Any, database: Database) -> None:
    admin = await create_person(create_user, database, PlatformRole.ADMIN)
    here = await visit(chromium, address, width=375)
    await here.goto("/admin/login")
    await take_screenshot(here.page, "small_login")
    await here.sign_in(admin.email)
    await here.page.wait_for_url("**/admin/")
    for name, path in (
        ("dashboard", "/admin/"),
        ("users", "/admin/user/list"),
        ("edit", f"/admin/user/edit/{admin.user_id}"),
        ("details", f"/admin/user/details/{admin.user_id}"),
    ):
        await here.goto(path)
        await take_screenshot(here.page, f"small_{name}")
        assert await here.page.evaluate("document.documentElement.scrollWidth") <= 375, name
    assert here.console_errors == []


async def test_regular_user_sees_no_view_names(
    chromium: Any, address: str, create_user: Any, database: Database
) -> None:
    plain = await create_person(create_user, database, PlatformRole.USER)
    here = await visit(chromium, address)
    await here.sign_in(plain.email)
    await here.page.wait_for_url("**/admin/")
    await take_screenshot(here.page, "refused")
    text = (await here.page.content()).lower()
    assert not any(word in text for word in ("membership", "project", "audit log", "sqladmin"))


async def test_page_of_another_site_cannot_post(
    chromium: Any, address: str, create_user: Any, database: Database
) -> None:
    admin = await create_person(create_user, database, PlatformRole.ADMIN)
    here = await visit(chromium, address)
    await here.sign_in(admin.email)
    await here.page.wait_for_url("**/admin/")
    form = f'<form method=post action="{address}/admin/user/edit/{admin.user_id}"><button>go</button></form>'
    await here.page.route("http://evil.test/**", lambda route: route.fulfill(body=form, content_type="text/html"))
    await here.page.goto("http://evil.test/")
    async with here.page.expect_response(lambda response: "/admin/user/edit/" in response.url) as responded:
        await here.page.click("button")
    assert (await responded.value).status == 403
