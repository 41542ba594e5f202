"""The user's account in the console: profile, password, email address, second factors and sessions."""

import re
from typing import Any

import pytest
import pytest_asyncio
from pyotp import TOTP
from sqlmodel import col, update

from tests.modules.auth.users import PASSWORD, error_code
from tests.modules.console.conftest import PHONE, Visit, Visitor
from tests.modules.mfa.test_browser import AUTHENTICATOR
from tests.modules.mfa.test_step_up import expire_reauthentication
from undercroft.core.db import Database, utc_now
from undercroft.core.security import passwords
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.teams import Team
from undercroft.modules.users import User
from undercroft.testing import CreateTeam, CreateUser, eventually
from undercroft.testing.users import SignedInUser

ME = "/api/v1/app/users/me"
MFA = "/api/v1/auth/mfa"
SESSIONS = "/api/v1/auth/sessions"
SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "locale": "de-DE"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def ada(create_user: CreateUser, database: Database) -> SignedInUser:
    """A user with a password."""
    person = await create_user(full_name="Ada Lovelace")
    hashed = await passwords.hash(PASSWORD, subject=person.email)
    async with database.session() as session:
        await session.execute(update(User).where(col(User.id) == person.user_id).values(password_hash=hashed))
    return person


async def plug_in(visit: Visit) -> None:
    """Give the browser a virtual authenticator for passkeys."""
    devtools = await visit.context.new_cdp_session(visit.page)
    await devtools.send("WebAuthn.enable")
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})


async def add_passkey(visit: Visit, name: str) -> None:
    page = await visit.open("/account/security/")
    await page.get_by_role("button", name=re.compile("Add a passkey|Passkey hinzufügen")).click()
    await page.get_by_role("dialog").get_by_label("Name").fill(name)
    await page.keyboard.press("Enter")
    codes = page.get_by_role("dialog", name=re.compile("Recovery codes|Wiederherstellungscodes"))
    await codes.get_by_role("listitem").first.wait_for()


async def close_codes(page: Any) -> None:
    await page.get_by_role("button", name=re.compile("stored them|gespeichert")).click()
    await page.get_by_role("dialog").wait_for(state="detached")


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(visitor: Visitor, ada: SignedInUser, screen: str) -> None:
    visit = await visitor(ada, **SCREENS[screen])
    await plug_in(visit)
    await add_passkey(visit, "Blue key with a name that is rather long for a telephone")
    await visit.check(f"{screen}-recovery-codes")
    await close_codes(visit.page)
    await visit.check(f"{screen}-security")
    await visit.page.get_by_role("button", name=re.compile("^(Set up|Einrichten)$")).click()
    await visit.page.get_by_role("img", name=re.compile("QR")).wait_for()
    await visit.check(f"{screen}-authenticator-app")
    page = await visit.open("/account/")
    await page.get_by_label("Name").wait_for()
    await visit.check(f"{screen}-profile")
    await page.get_by_role("button", name=re.compile("Delete my account|Mein Konto löschen")).click()
    await page.get_by_role("dialog").get_by_role("listitem").first.wait_for()
    await visit.check(f"{screen}-delete-account")
    page = await visit.open("/account/sessions/")
    await page.get_by_text("127.0.0.1").wait_for()
    await visit.check(f"{screen}-sessions")


async def test_profile_switches_the_language(visitor: Visitor, ada: SignedInUser) -> None:
    visit = await visitor(ada, timezone_id="Europe/Vienna")
    page = await visit.open("/")
    await page.get_by_role("button", name=re.compile(ada.email)).click()
    await page.get_by_role("menuitem", name="Your account").click()
    await page.get_by_label("Name").fill("  Ada King ")
    await page.get_by_label("Language").select_option(label="Deutsch")
    await page.get_by_role("button", name="Use Europe/Vienna, as on this device").click()
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_selector("h1:has-text('Dein Konto')")
    profile = (await ada.client.get(ME)).json()
    assert (profile["full_name"], profile["locale"], profile["timezone"]) == ("Ada King", "de", "Europe/Vienna")
    await page.get_by_role("button", name=re.compile("Ada King")).wait_for()
    visit.check_errors()


async def test_password_is_changed_and_other_sessions_end(visitor: Visitor, ada: SignedInUser) -> None:
    visit = await visitor(ada)
    page = await visit.open("/account/security/")
    opener = page.get_by_role("button", name="Change the password")
    await opener.click()
    dialog = page.get_by_role("dialog")
    current, new = dialog.get_by_label("Current password"), dialog.get_by_label("New password")
    await current.fill("not my password")
    await new.fill("a lighthouse in fog")
    await page.keyboard.press("Enter")
    await dialog.get_by_text("The current password is incorrect.").wait_for()
    await visit.wait_for_focus(current)
    assert await new.input_value() == "a lighthouse in fog"
    await current.fill(PASSWORD)
    await new.fill("password")
    await page.keyboard.press("Enter")
    await dialog.locator("#" + str(await new.get_attribute("aria-describedby")).split()[-1]).wait_for()
    await visit.wait_for_focus(new)
    await new.fill("a lighthouse in fog")
    await page.keyboard.press("Enter")
    await dialog.wait_for(state="detached")
    await visit.wait_for_focus(opener)
    assert (await ada.client.get(ME)).status_code == 401
    assert (await page.request.get(f"{visit.address}{ME}")).status == 200
    visit.check_errors()


async def test_email_change_explains_the_next_step(visitor: Visitor, ada: SignedInUser) -> None:
    visit = await visitor(ada)
    page = await visit.open("/account/security/")
    await page.get_by_role("button", name="Change the address").click()
    await page.get_by_label("New email address").fill("ada.king@example.com")
    await page.get_by_label("Current password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    await page.get_by_role("status").get_by_text("We sent a link to ada.king@example.com.").wait_for()
    assert (await ada.client.get(ME)).json()["email"] == ada.email
    visit.check_errors()


async def test_authenticator_app_is_set_up_after_step_up_in_place(
    visitor: Visitor, ada: SignedInUser, database: Database
) -> None:
    visit = await visitor(ada)
    await expire_reauthentication(database)
    page = await visit.open("/account/security/")
    await page.get_by_role("button", name="Set up").click()
    proof = page.get_by_role("dialog", name="Confirm that it is you")
    await proof.get_by_label("Password").fill("not my password")
    await page.keyboard.press("Enter")
    await proof.get_by_text("incorrect").wait_for()
    await proof.get_by_label("Password").fill(PASSWORD)
    await page.keyboard.press("Enter")
    dialog = page.get_by_role("dialog", name="Set up an authenticator app")
    secret = await dialog.locator("code").inner_text()
    await dialog.get_by_label("Code of the app").fill("12345")
    await page.keyboard.press("Enter")
    await dialog.get_by_text("Enter the six digits that the app shows.").wait_for()
    await dialog.get_by_label("Code of the app").fill(TOTP(secret).now())
    await page.keyboard.press("Enter")
    codes = page.get_by_role("dialog", name="Recovery codes")
    await codes.get_by_role("listitem").first.wait_for()
    shown = await codes.get_by_role("listitem").all_inner_texts()
    async with page.expect_download() as downloading:
        await codes.get_by_role("button", name="Download").click()
    downloaded = (await (await downloading.value).path()).read_text()
    assert downloaded.split() == shown
    await close_codes(page)
    await page.get_by_text(f"{len(shown)} left.").wait_for()
    factors = (await ada.client.get(MFA)).json()
    assert (factors["totp"], factors["recovery_codes_left"]) == (True, len(shown))

    await expire_reauthentication(database)
    await page.get_by_role("button", name="Remove the authenticator app").click()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await proof.get_by_role("button", name="Use a recovery code").click()
    await proof.get_by_label("Recovery code").fill(shown[0])
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Set up").wait_for()
    assert (await ada.client.get(MFA)).json()["enabled"] is False
    visit.check_errors()


async def test_passkey_is_added_renamed_and_removed(visitor: Visitor, ada: SignedInUser, database: Database) -> None:
    visit = await visitor(ada)
    await plug_in(visit)
    await add_passkey(visit, "Blue key")
    page = visit.page
    await close_codes(page)
    await page.get_by_role("button", name="Add a passkey").click()
    await page.keyboard.press("Enter")
    await page.get_by_text("This device already has a passkey of your account.").wait_for()
    await page.keyboard.press("Escape")
    await page.get_by_role("button", name="Rename Blue key").click()
    await page.get_by_role("dialog").get_by_label("Name").fill("Red key")
    await page.keyboard.press("Enter")
    await page.get_by_text("Red key", exact=True).wait_for()
    await visit.wait_for_focus(page.get_by_role("button", name="Rename Red key"))

    await expire_reauthentication(database)
    await page.get_by_role("button", name="Remove Red key").click()
    await page.get_by_role("dialog").get_by_text("This is your last factor").wait_for()
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    proof = page.get_by_role("dialog", name="Confirm that it is you")
    await proof.get_by_role("button", name="Use a passkey").click()
    await page.get_by_text("Red key", exact=True).wait_for(state="detached")
    assert (await ada.client.get(MFA)).json()["passkeys"] == []
    visit.check_errors()


async def test_last_factor_that_a_team_requires_cannot_be_removed(
    visitor: Visitor, create_team: CreateTeam, ada: SignedInUser, database: Database
) -> None:
    team = await create_team(owner=ada, name="Acme")
    visit = await visitor(ada)
    await plug_in(visit)
    await add_passkey(visit, "Blue key")
    await close_codes(visit.page)
    async with database.session() as session:
        await session.execute(update(Team).where(col(Team.id) == team.id).values(require_mfa=True))
    page = await visit.open("/account/security/")
    await page.get_by_text("Your team Acme requires two-factor authentication.").wait_for()
    assert await page.get_by_role("button", name=re.compile("^Remove")).count() == 0
    await page.get_by_role("button", name="Set up").wait_for()
    visit.check_errors()


async def test_sessions_are_revoked(visitor: Visitor, ada: SignedInUser) -> None:
    visit = await visitor(ada)
    await visitor(ada)
    page = await visit.open("/account/sessions/")
    rows = page.get_by_role("list", name="Sessions").get_by_role("listitem")

    async def has_rows(count: int) -> bool:
        return bool(await rows.count() == count)

    await eventually(lambda: has_rows(3))
    await page.get_by_role("button", name=re.compile("^Sign out undercroft|^Sign out Unknown")).click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    await eventually(lambda: has_rows(2))
    assert (await ada.client.get(ME)).status_code == 401
    await page.get_by_role("button", name="Sign out all other devices").click()
    await page.get_by_role("dialog").get_by_role("button", name="Sign out all other devices").click()
    await page.get_by_role("dialog").wait_for(state="detached")
    await eventually(lambda: has_rows(1))
    await rows.get_by_text("This device").wait_for()
    visit.check_errors()


async def test_account_is_deleted_after_typing_its_address(
    visitor: Visitor, ada: SignedInUser, create_team: CreateTeam
) -> None:
    team = await create_team(owner=ada)
    member = await team.add_member()
    visit = await visitor(ada)
    page = await visit.open("/account/")
    await page.get_by_role("button", name="Delete my account").click()
    dialog = page.get_by_role("dialog")
    address, password = dialog.get_by_label(f"Type {ada.email}"), dialog.get_by_label("Current password")
    await address.fill("another@example.com")
    await password.fill(PASSWORD)
    await page.keyboard.press("Enter")
    await dialog.get_by_text("This is not the email address of your account.").wait_for()
    await address.fill(ada.email.upper())
    await page.keyboard.press("Enter")
    await dialog.get_by_role("alert").get_by_text("at least one owner").wait_for()
    assert await password.input_value() == PASSWORD
    promoted = await team.owner.client.patch(
        f"/api/v1/app/teams/{team.id}/members/{member.user_id}", json={"role": "owner"}
    )
    assert promoted.is_success, promoted.text
    await dialog.get_by_role("button", name="Delete my account").click()
    await page.wait_for_url(f"{visit.address}/")
    assert (await ada.client.get(ME)).status_code == 401


async def test_user_without_a_password_signs_in_again_instead(
    visitor: Visitor, create_user: CreateUser, database: Database
) -> None:
    visit = await visitor(await create_user())
    await plug_in(visit)
    await expire_reauthentication(database)
    page = await visit.open("/account/security/")
    await page.get_by_role("link", name="Set a password").wait_for()
    assert await page.get_by_role("button", name="Change the password").count() == 0
    await page.get_by_role("button", name="Set up").click()
    dialog = page.get_by_role("dialog", name="Sign in again to continue")
    async with page.expect_popup() as opened:
        await dialog.get_by_role("button", name="Sign in").click()
    popup = await opened.value
    await popup.wait_for_selector("h1:has-text('Sign in')")  # although the browser is signed in
    await renew_authentication(database)
    await popup.goto(f"{visit.address}/app/signed-in/")
    await page.get_by_role("dialog", name="Set up an authenticator app").wait_for()


async def renew_authentication(database: Database) -> None:
    """What a new sign-in does."""
    async with database.session() as session:
        await session.execute(update(AuthSession).values(reauthenticated_at=utc_now()))


async def test_impersonator_sees_no_sensitive_action(visitor: Visitor, ada: SignedInUser) -> None:
    visit = await visitor(ada)
    profile = (await ada.client.get(ME)).json() | {"impersonated_by": str(ada.user_id)}
    await visit.page.route(f"**{ME}", lambda route: route.fulfill(json=profile))
    for path in ("/account/", "/account/security/", "/account/sessions/", "/api-keys/"):
        page = await visit.open(path)
        await page.get_by_text("You are acting as this user").wait_for()
        assert await page.get_by_role("main").get_by_role("button").count() == 0
    visit.check_errors()


async def test_failed_change_keeps_what_was_typed(visitor: Visitor, ada: SignedInUser) -> None:
    visit = await visitor(ada)
    page = await visit.open("/account/")
    name = page.get_by_label("Name")
    await name.fill("Ada King")
    for status, code, shown in ((500, "INTERNAL_ERROR", "Refused"), (0, "", "The connection to the server was lost")):
        await visit.fail("PATCH", "/app/users/me", status=status, code=code)
        await page.get_by_role("button", name="Save").click()
        await page.get_by_role("alert").get_by_text(shown).wait_for()
        assert await name.input_value() == "Ada King"
        await visit.recover()
    await page.get_by_role("button", name="Save").click()
    await eventually(lambda: has_name(ada, "Ada King"))
    visit.check_errors()


async def has_name(person: SignedInUser, name: str) -> bool:
    response = await person.client.get(ME)
    assert response.status_code == 200, error_code(response)
    return bool(response.json()["full_name"] == name)
