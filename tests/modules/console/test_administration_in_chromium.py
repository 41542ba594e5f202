"""The pages of administrators: users, teams, audit log, statistics and health."""

import re
from typing import Any

import pytest

from tests.modules.console.conftest import PHONE, Visit, Visitor
from undercroft.core.auth import PlatformRole
from undercroft.testing.users import SignedInUser

ADMIN, SUPERADMIN = PlatformRole.ADMIN, PlatformRole.SUPERADMIN
USERS = "/api/v1/admin/users"
USER, TEAM = "/admin/users/user/", "/admin/teams/team/"

SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "german-phone-dark": {"viewport": PHONE, "color_scheme": "dark", "locale": "de-DE"},
}


async def open_user(visit: Visit, user: SignedInUser) -> Any:
    return await visit.open(USER, id=user.user_id)


async def confirm(page: Any, name: str, *, button: str = "") -> None:
    """Press a button, and the one of the dialog that asks."""
    await page.get_by_role("button", name=button or name, exact=True).click()
    await page.get_by_role("dialog").get_by_role("button", name=name, exact=True).click()
    await page.get_by_role("dialog").wait_for(state="detached")


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(visitor: Visitor, create_user: Any, screen: str) -> None:
    user = await create_user(full_name="Ada Lovelace")
    team = (await user.client.post("/api/v1/app/teams", json={"name": "Otters"})).json()
    visit = await visitor(await create_user(role=SUPERADMIN), **SCREENS[screen])
    page = await visit.open("/admin/")
    await page.get_by_role("img").first.wait_for()
    await page.locator("dl").first.wait_for()
    await visit.check(f"{screen}-statistics")
    page = await visit.open("/admin/users/")
    await page.get_by_role("link", name=re.compile("Ada Lovelace")).wait_for()
    await visit.check(f"{screen}-users")
    page = await open_user(visit, user)
    await page.get_by_role("link", name="Otters").wait_for()
    await visit.check(f"{screen}-user")
    await page.get_by_role("button", name=re.compile("Edit|Bearbeiten")).click()
    await page.get_by_role("dialog").get_by_label("Name").wait_for()
    await visit.check(f"{screen}-edit-user")
    page = await visit.open("/admin/teams/")
    await page.get_by_role("link", name=re.compile("Otters")).wait_for()
    await visit.check(f"{screen}-teams")
    page = await visit.open(TEAM, id=team["id"])
    await page.get_by_role("link", name=re.compile("Ada Lovelace")).wait_for()
    await visit.check(f"{screen}-team")
    page = await visit.open("/admin/audit/")
    await page.locator("summary").first.click()
    await visit.check(f"{screen}-audit-log")
    page = await visit.open("/admin/health/")
    await page.get_by_role("listitem").first.wait_for()
    await visit.check(f"{screen}-health")


async def test_pages_explain_that_they_are_for_administrators(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/")
    assert await page.get_by_text("Administration").count() == 0
    for path in ("/admin/", "/admin/users/", "/admin/audit/"):
        await page.goto(f"{visit.address}/app{path}")
        await page.get_by_text("Only for administrators").wait_for()
    visit.check_errors()


async def test_filters_of_users_are_in_the_url(visitor: Visitor, create_user: Any) -> None:
    ada, root = await create_user(full_name="Ada Lovelace"), await create_user(role=ADMIN, full_name="Root Admin")
    visit = await visitor(root)
    page = await visit.open("/admin/users/")
    rows = page.get_by_role("list", name="Users").get_by_role("link")
    await page.get_by_role("link", name=re.compile("Root Admin")).wait_for()
    await page.get_by_role("searchbox").fill("lovelace")
    await page.wait_for_url("**q=lovelace**")
    await page.reload()
    await page.get_by_role("link", name=re.compile("Ada Lovelace")).wait_for()
    assert await rows.count() == 1
    await page.get_by_label("Role").select_option("admin")
    await page.get_by_text("No user matches").wait_for()
    await page.get_by_label("Role").select_option("")
    await page.get_by_label("State").select_option("active")
    await page.get_by_role("link", name=re.compile(ada.email)).click()
    await page.wait_for_selector("h1:has-text('Ada Lovelace')")
    await page.go_back()
    await page.wait_for_url("**state=active**")


async def test_administrator_changes_the_access_of_a_user(visitor: Visitor, create_user: Any) -> None:
    user, admin = await create_user(full_name="Ada Lovelace"), await create_user(role=ADMIN)
    visit = await visitor(admin)
    page = await open_user(visit, user)
    await page.get_by_role("button", name=re.compile("^Sign out on .")).click()
    await page.get_by_text("signed in on no device").wait_for()
    assert (await user.client.get("/api/v1/app/users/me")).status_code == 401
    await confirm(page, "Deactivate")
    await page.get_by_text("The account is deactivated.").first.wait_for()
    assert (await admin.client.get(f"{USERS}/{user.user_id}")).json()["is_active"] is False
    assert await page.get_by_role("button", name="Impersonate").count() == 0
    await page.get_by_role("button", name="Activate", exact=True).click()
    await page.get_by_role("button", name="Deactivate", exact=True).wait_for()
    await confirm(page, "Mark as verified")
    await page.get_by_text("The email address is verified.").first.wait_for()
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_label("Name").fill("Ada King")
    assert await page.get_by_role("dialog").get_by_label("Role").count() == 0
    await page.keyboard.press("Enter")
    await page.wait_for_selector("h1:has-text('Ada King')")
    await confirm(page, "Require a new password")
    read = (await admin.client.get(f"{USERS}/{user.user_id}")).json()
    assert (read["is_active"], read["email_verified"], read["full_name"]) == (True, True, "Ada King")
    visit.check_errors()


async def test_superadmin_changes_a_role(visitor: Visitor, create_user: Any) -> None:
    user = await create_user(full_name="Ada Lovelace")
    visit = await visitor(await create_user(role=SUPERADMIN))
    page = await open_user(visit, user)
    await page.get_by_role("button", name="Edit").click()
    await page.get_by_role("dialog").get_by_label("Role").select_option("admin")
    await page.get_by_role("button", name="Save").click()
    await page.get_by_text("user.role_changed").wait_for()
    await page.get_by_role("dialog").wait_for(state="detached")
    read = (await visit.person.client.get(f"{USERS}/{user.user_id}")).json()
    assert read["role"] == "admin"


@pytest.mark.parametrize("target_role", [ADMIN, SUPERADMIN, None])
async def test_actions_that_would_be_refused_are_not_offered(
    visitor: Visitor, create_user: Any, target_role: PlatformRole | None
) -> None:
    admin = await create_user(role=ADMIN)
    visit = await visitor(admin)
    target = admin if target_role is None else await create_user(role=target_role)
    page = await open_user(visit, target)
    own = "This is your own account" if target_role is None else "Only a superadmin can change an administrator"
    await page.get_by_text(own).wait_for()
    await page.get_by_role("list", name="Sessions").wait_for()
    main = page.locator("main")
    for name in ("Edit", "Impersonate", "Deactivate", "Sign out", "Require a new password"):
        assert await main.get_by_role("button", name=name).count() == 0, name


async def test_team_is_deleted_and_restored(visitor: Visitor, create_user: Any) -> None:
    user = await create_user()
    team = (await user.client.post("/api/v1/app/teams", json={"name": "Otters"})).json()
    visit = await visitor(await create_user(role=ADMIN))
    page = await visit.open(TEAM, id=team["id"])
    await confirm(page, "Delete")
    await page.get_by_role("button", name="Restore").wait_for()
    assert (await user.client.get(f"/api/v1/app/teams/{team['id']}")).status_code == 404
    page = await visit.open("/admin/teams/", state="deleted")
    await page.get_by_role("link", name=re.compile("Otters")).click()
    await page.get_by_role("button", name="Restore").click()
    await page.get_by_role("button", name="Delete").wait_for()
    assert (await user.client.get(f"/api/v1/app/teams/{team['id']}")).status_code == 200
    visit.check_errors()


async def test_audit_log_is_filtered_and_exported(visitor: Visitor, create_user: Any) -> None:
    user = await create_user(full_name="Ada Lovelace")
    await user.client.patch("/api/v1/app/users/me", json={"full_name": "Ada King"})
    await user.client.post("/api/v1/app/teams", json={"name": "Otters"})
    visit = await visitor(await create_user(role=ADMIN))
    page = await visit.open("/admin/audit/", actor=user.user_id)
    await page.get_by_text("team.created").wait_for()
    await page.get_by_role("searchbox").fill("user.profile_changed")
    await page.get_by_text("team.created").wait_for(state="detached")
    await page.locator("summary").first.click()
    row = page.get_by_role("row", name=re.compile("full_name"))
    assert re.sub(r"\s+", " ", await row.inner_text()) == "full_name Ada Lovelace Ada King"
    await page.get_by_role("button", name="Export").click()
    async with page.expect_download() as started:
        await page.get_by_role("menuitem", name=re.compile("CSV")).click()
    path = await (await started.value).path()
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert "user.profile_changed" in lines[1]
    await page.get_by_role("button", name="Remove the filter: Actor").click()
    await page.wait_for_url(lambda url: "actor=" not in url)
    visit.check_errors()


async def test_health_shows_the_components_while_one_is_down(visitor: Visitor, create_user: Any) -> None:
    visit = await visitor(await create_user(role=ADMIN))
    body = {
        "status": "unhealthy",
        "components": {"database": {"status": "down", "latency_ms": 2000, "required": True, "details": {}}},
    }
    await visit.page.route("**/health/ready", lambda route: route.fulfill(status=503, json=body))
    page = await visit.open("/admin/health/")
    await page.get_by_text("Unhealthy").wait_for()
    await page.get_by_text("Down", exact=True).wait_for()
