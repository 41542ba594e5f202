"""Connected accounts in the console, with the emulator as the identity providers."""

import re

import pytest_asyncio

from tests.modules.console.conftest import Visitor
from tests.modules.identities.browsers import module_social_app, social_app
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.testing import CreateUser

__all__ = ["module_social_app", "social_app"]

IDENTITIES = "/api/v1/auth/identities"


@pytest_asyncio.fixture(loop_scope="session")
async def app(social_app: Api) -> Api:
    """The application with all providers of social sign-in."""
    return social_app


async def test_account_is_connected_and_disconnected(
    visitor: Visitor, create_user: CreateUser, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="ada@elsewhere.example")
    visit = await visitor(await create_user())
    page = await visit.open("/account/")
    await page.get_by_role("link", name="Connected accounts").click()
    await page.get_by_text("No account is connected yet.").wait_for()
    linked = page.get_by_role("list", name="Connected accounts").get_by_role("listitem")
    for provider in ("Google", "GitHub"):
        await page.get_by_role("button", name=f"Connect {provider}").click()
        await linked.filter(has_text=provider).wait_for()
        assert "/app/account/identities/" in page.url
    await visit.check("wide-identities")
    await page.get_by_role("button", name="Disconnect Google").click()
    await page.get_by_role("dialog").get_by_role("button", name="Disconnect").click()
    await page.get_by_text("This is your only way to sign in.").wait_for()
    assert await page.get_by_role("button", name=re.compile("^Disconnect")).count() == 0
    identities = (await visit.person.client.get(IDENTITIES)).json()["items"]
    assert [each["provider"] for each in identities] == ["github"]
    visit.check_errors()


async def test_account_of_another_user_is_refused_and_leads_back(
    visitor: Visitor, create_user: CreateUser, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="ada@elsewhere.example")
    for refused in (False, True):
        visit = await visitor(await create_user())
        page = await visit.open("/account/identities/")
        await page.get_by_role("button", name="Connect Google").click()
        if refused:
            await page.get_by_text("This identity is linked to another account.").wait_for()
            await page.get_by_role("link", name="Back").click()
            await page.get_by_text("No account is connected yet.").wait_for()
        else:
            await page.get_by_role("button", name="Connect GitHub").wait_for()
            await page.get_by_role("list", name="Connected accounts").wait_for()
