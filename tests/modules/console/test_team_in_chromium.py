"""The pages of a team in the console."""

import csv
import re
from io import StringIO
from typing import Any

import pytest

from tests.modules.console.conftest import PHONE, Visit, Visitor, read_slug
from undercroft.core.db import Database
from undercroft.modules.teams import Membership, Team
from undercroft.testing import eventually
from undercroft.testing.teams import CreatedTeam, CreateTeam, CreateUser

TEAMS = "/api/v1/app/teams"
PAGES = ("/team/", "/team/invitations/", "/team/roles/", "/team/settings/", "/team/audit/", "/teams/deleted/", "/")
SCREENS: dict[str, dict[str, Any]] = {
    "wide": {},
    "phone": {"viewport": PHONE, "color_scheme": "dark", "locale": "de-DE"},
}


class TeamVisit:
    """A member in a browser, whose pages are those of one team."""

    def __init__(self, visit: Visit, slug: str) -> None:
        self.visit = visit
        self.slug = slug
        self.page = visit.page

    async def open(self, path: str, **parameters: Any) -> Any:
        return await self.visit.open(path, team=self.slug, **parameters)

    async def choose(self, name: str, action: str) -> None:
        """Choose an action of a member's row."""
        await self.page.get_by_role("button", name=f"Actions for {name}").click()
        await self.page.get_by_role("menuitem", name=action).click()
        await self.page.get_by_role("dialog").wait_for()


async def visit_team(visitor: Visitor, team: CreatedTeam, person: Any = None, **options: Any) -> TeamVisit:
    person = person or team.owner
    return TeamVisit(await visitor(person, **options), await read_slug(person, team.id))


async def add(team: CreatedTeam, create_user: CreateUser, name: str, role: str = "member") -> Any:
    person = await create_user(full_name=name)
    async with person.app.context.get(Database).session() as session:
        session.add(Membership(team_id=team.id, user_id=person.user_id, role=role))
    return person


async def roles(team: CreatedTeam) -> dict[str, str]:
    listed = await team.owner.in_team(team.id).get(f"{TEAMS}/{team.id}/members", params={"size": 100})
    return {member["full_name"]: member["role"] for member in listed.json()["items"]}


async def invitations(team: CreatedTeam) -> dict[str, str]:
    listed = await team.owner.in_team(team.id).get(f"{TEAMS}/{team.id}/invitations")
    return {each["email"]: each["role"] for each in listed.json()["items"]}


@pytest.mark.parametrize("screen", SCREENS)
async def test_pages_are_accessible(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser, screen: str
) -> None:
    team = await create_team(name="Acme")
    await add(team, create_user, "Ada Lovelace")
    client = team.owner.in_team(team.id)
    await client.post(f"{TEAMS}/{team.id}/invitations", json={"email": "bob@example.com"})
    await client.post(f"{TEAMS}/{team.id}/roles", json={"name": "editor", "permissions": ["teams:read"]})
    visit = await visit_team(visitor, team, **SCREENS[screen])
    for path in PAGES:
        page = await visit.open(path)
        await page.locator("[aria-busy=true], .animate-pulse").first.wait_for(state="detached")
        await visit.visit.check(f"{screen}-team{path.replace('/', '-')}")


async def test_member_changes_role_and_is_removed(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser
) -> None:
    team = await create_team()
    await add(team, create_user, "Ada Lovelace")
    await add(team, create_user, "Bob Ng")
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/")
    await page.get_by_role("searchbox").fill("lovelace")
    await page.wait_for_url("**q=lovelace**")
    await page.get_by_text("Bob Ng").wait_for(state="detached")
    await visit.choose("Ada Lovelace", "Change the role")
    await page.get_by_role("radio", name="Viewer").check()
    await page.get_by_role("button", name="Save").click()
    await page.get_by_role("list", name="Members").get_by_text("Viewer").wait_for()
    assert (await roles(team))["Ada Lovelace"] == "viewer"
    await visit.choose("Ada Lovelace", "Remove from the team")
    await page.get_by_role("dialog").get_by_role("button", name="Remove").click()
    await page.get_by_text("No member matches").wait_for()
    assert "Ada Lovelace" not in await roles(team)
    visit.visit.check_errors()


async def test_only_owner_is_told_how_to_leave_and_a_member_leaves(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser
) -> None:
    team = await create_team()
    ada = await add(team, create_user, "Ada Lovelace")
    owner = await visit_team(visitor, team)
    page = await owner.open("/team/")
    await owner.choose("Test User", "Leave the team")
    await page.get_by_text("You are the only owner").wait_for()
    member = await visit_team(visitor, team, ada)
    page = await member.open("/team/")
    assert await page.get_by_role("button", name=re.compile("^Actions for")).count() == 1
    await member.choose("Ada Lovelace", "Leave the team")
    await page.get_by_role("dialog").get_by_role("button", name="Leave the team").click()
    await page.wait_for_url(lambda url: member.slug not in url)
    await page.get_by_role("heading", name="Welcome, Ada Lovelace").wait_for()
    assert list(await roles(team)) == ["Test User"]


async def test_several_addresses_are_invited_and_those_that_fail_stay(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser
) -> None:
    team = await create_team()
    member = await add(team, create_user, "Ada Lovelace")
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/invitations/")
    await page.get_by_role("button", name="Invite").first.click()
    field = page.get_by_label("Email addresses")
    await field.fill("bob@example.com, nonsense")
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("Not an email address: nonsense").wait_for()
    await field.fill(f"bob@example.com, {member.email}\neve@example.com")
    await page.get_by_role("radio", name="Viewer").check()
    await page.get_by_role("button", name="Send").click()
    await page.get_by_text("2 invitations were sent.").first.wait_for()
    await page.get_by_role("alert").get_by_text("already has this email address").wait_for()
    assert await field.input_value() == member.email
    assert await invitations(team) == {"bob@example.com": "viewer", "eve@example.com": "viewer"}
    await page.get_by_role("dialog").get_by_role("button", name="Close").click()
    row = page.get_by_role("listitem").filter(has_text="bob@example.com")
    await row.get_by_role("button", name="Revoke").click()
    await page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await row.wait_for(state="detached")
    await eventually(lambda: has_invitations(team, "eve@example.com"))


async def has_invitations(team: CreatedTeam, *emails: str) -> bool:
    return list(await invitations(team)) == list(emails)


async def test_role_is_created_changed_and_only_deleted_when_unused(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser
) -> None:
    team = await create_team()
    await add(team, create_user, "Ada Lovelace", "editor")
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/roles/")
    await page.get_by_role("button", name="Create a role").click()
    await page.get_by_role("textbox", name="Name").fill("Editor!")
    await page.get_by_role("dialog").get_by_role("button", name="Create a role").click()
    await page.get_by_text("Use lowercase letters").wait_for()
    await page.get_by_role("textbox", name="Name").fill("editor")
    await page.get_by_label("View invitations.").check()
    await page.get_by_role("dialog").get_by_role("button", name="Create a role").click()
    await page.get_by_role("columnheader", name="editor").wait_for()
    await page.get_by_role("button", name="Delete the role editor").click()
    await page.get_by_role("dialog").get_by_role("button", name="Delete").click()
    await page.get_by_role("link", name="One member has it").click()
    await page.wait_for_url("**role=editor**")
    await page.get_by_text("Ada Lovelace").wait_for()
    created = (await team.owner.in_team(team.id).get(f"{TEAMS}/{team.id}/roles")).json()
    assert [(role["name"], role["permissions"]) for role in created] == [("editor", ["invitations:read", "teams:read"])]


async def test_settings_conflict_shows_both_versions_and_a_new_slug_changes_the_address(
    visitor: Visitor, create_team: CreateTeam
) -> None:
    team = await create_team(name="Acme")
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/settings/")
    await page.get_by_label("Name").fill("Mine")
    await page.get_by_label("Slug").fill("mine")
    client = team.owner.in_team(team.id)
    await client.patch(f"{TEAMS}/{team.id}", json={"name": "Another"})
    await page.get_by_role("button", name="Save").click()
    conflict = page.get_by_role("alert").filter(has_text="Another")
    await conflict.wait_for()
    assert "Mine" in await conflict.inner_text()
    await page.get_by_role("button", name="Continue with mine").click()
    await page.get_by_role("button", name="Save").click()
    await page.wait_for_url("**team=mine**")
    await page.get_by_role("heading", name="Mine").wait_for()
    changed = (await client.get(f"{TEAMS}/{team.id}")).json()
    assert (changed["name"], changed["slug"]) == ("Mine", "mine")


async def test_team_is_transferred_to_another_member(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser
) -> None:
    team = await create_team()
    await add(team, create_user, "Ada Lovelace", "viewer")
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/settings/")
    await page.get_by_role("button", name="Transfer").click()
    await page.get_by_role("radio", name=re.compile("Ada Lovelace")).check()
    await page.get_by_role("button", name="Transfer to Ada Lovelace").click()
    await page.get_by_text("Ada Lovelace is the owner now.").first.wait_for()
    await page.get_by_role("button", name="Delete the team").wait_for(state="detached")
    assert await roles(team) == {"Test User": "admin", "Ada Lovelace": "owner"}


async def test_team_is_deleted_after_its_name_was_typed_and_restored(visitor: Visitor, create_team: CreateTeam) -> None:
    team = await create_team(name="Acme")
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/settings/")
    await page.get_by_role("button", name="Delete the team").click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_label("Type “Acme”").fill("acme")
    await dialog.get_by_role("button", name="Delete the team").click()
    await page.get_by_text("Type the name of the team exactly.").wait_for()
    await dialog.get_by_label("Type “Acme”").fill("Acme")
    await page.keyboard.press("Enter")
    await page.wait_for_url(lambda url: visit.slug not in url)
    await page.get_by_role("button", name=re.compile("Current team")).click()
    await page.get_by_role("menuitem", name="Deleted teams").click()
    await page.get_by_role("main").get_by_role("button", name="Restore").click()
    await page.wait_for_url(f"**team={visit.slug}**")
    await page.get_by_role("button", name="Current team: Acme").wait_for()


async def test_audit_log_shows_changes_filters_them_and_is_exported(visitor: Visitor, create_team: CreateTeam) -> None:
    team = await create_team(name="Acme")
    client = team.owner.in_team(team.id)
    await client.patch(f"{TEAMS}/{team.id}", json={"name": "Acme Ltd"})
    await client.post(f"{TEAMS}/{team.id}/invitations", json={"email": "bob@example.com"})
    visit = await visit_team(visitor, team)
    page = await visit.open("/team/audit/")
    await page.get_by_text("Team changed").click()
    row = page.get_by_role("row", name=re.compile("Name"))
    await row.wait_for()
    assert await row.get_by_role("cell").all_inner_texts() == ["Acme", "Acme Ltd"]
    await page.get_by_label("Action", exact=True).select_option("invitation.*")
    await page.get_by_text("Team changed").wait_for(state="detached")
    await page.reload()
    await page.get_by_text("Invitation sent").wait_for()
    assert await page.get_by_role("list", name="Audit log").get_by_role("listitem").count() == 1
    async with page.expect_download() as downloading:
        await page.get_by_role("link", name="CSV").click()
    file = await (await downloading.value).path()
    entries = list(csv.DictReader(StringIO(file.read_text(encoding="utf-8"))))
    assert [entry["action"] for entry in entries] == ["invitation.created"]


async def test_viewer_sees_only_what_the_role_allows(visitor: Visitor, create_team: CreateTeam) -> None:
    team = await create_team()
    viewer = await team.add_member("viewer")
    visit = await visit_team(visitor, team, viewer)
    page = await visit.open("/team/")
    tabs = page.get_by_role("navigation", name="Pages about the team").get_by_role("link")
    await eventually(lambda: tabs.count())
    assert await tabs.all_inner_texts() == ["Members", "Roles"]
    for path in ("/team/settings/", "/team/audit/", "/team/invitations/"):
        await visit.open(path)
        await page.get_by_text("Your role does not include this page").wait_for()
    visit.visit.check_errors()


async def test_personal_team_explains_itself(visitor: Visitor) -> None:
    visit = await visitor()
    page = await visit.open("/team/")
    await page.get_by_text("This is your personal team").wait_for()
    await page.get_by_role("button", name="Create a team").click()
    await page.get_by_label("Name").fill("Acme")
    await page.keyboard.press("Enter")
    await page.get_by_role("button", name="Current team: Acme").wait_for()
    await page.get_by_role("link", name=re.compile("Invite a colleague")).click()
    await page.get_by_role("dialog").get_by_label("Email addresses").wait_for()


@pytest.mark.requires_module("mfa")
async def test_team_that_requires_mfa_explains_what_to_do(visitor: Visitor, create_team: CreateTeam) -> None:
    team = await create_team(name="Acme")
    visit = await visit_team(visitor, team)
    async with team.owner.app.context.get(Database).session() as session:
        (await session.get(Team, team.id)).require_mfa = True
    page = visit.page
    await page.goto(f"{visit.visit.address}/app/team/?team={visit.slug}")
    await page.get_by_text("Acme requires two-factor authentication").wait_for()
    assert "/app/account/security/" in str(await page.get_by_role("link", name="Set it up").get_attribute("href"))


async def test_dashboard_offers_teams_of_the_users_domain(
    visitor: Visitor, create_team: CreateTeam, create_user: CreateUser
) -> None:
    owner, ada = await create_user(email="owner@acme.example"), await create_user(email="ada@acme.example")
    team = await create_team(owner=owner, name="Acme")
    async with owner.app.context.get(Database).session() as session:
        from undercroft.core.db import utc_now
        from undercroft.modules.users import User

        for user in (owner, ada):
            (await session.get(User, user.user_id)).email_verified_at = utc_now()
        joined = await session.get(Team, team.id)
        joined.auto_join_domains, joined.auto_join_claims = ["acme.example"], {"acme.example": str(owner.user_id)}
    visit = await visitor(ada)
    page = await visit.open("/")
    await page.get_by_role("button", name="Join Acme").click()
    await page.get_by_role("button", name="Current team: Acme").wait_for()
    assert await page.get_by_text("Teams you can join").count() == 0
