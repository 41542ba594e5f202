"""Linking and unlinking of identities."""

import asyncio

import httpx2 as httpx
import pytest
from sqlmodel import update

from tests.modules.auth.users import Mailbox
from tests.modules.identities.browsers import (
    approve,
    browser,
    module_social_app,
    other_browser,
    sign_in,
    sign_in_approved_user,
    sign_in_new_user,
    social_app,
)
from tests.modules.identities.requests import ME, count, create_local_account, error_code
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.sessions.models import AuthSession
from undercroft.testing.users import make_client

__all__ = ["browser", "module_social_app", "other_browser", "social_app"]


async def test_another_identity_is_linked_listed_and_unlinked(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="elsewhere@example.com", email_verified=False)
    started = await browser.post(
        "/api/v1/auth/identities", json={"provider": "github", "return_to": "/settings"}, **safe
    )
    response = await browser.get(await approve(started.json()["redirect_url"]))
    assert (response.status_code, response.headers["Location"]) == (303, "/settings")

    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]
    await sign_in(other_browser, "github")

    assert [each["provider"] for each in listed] == ["github", "google"]
    assert (await other_browser.get(ME)).json()["id"] == (await browser.get(ME)).json()["id"]
    for each, status in zip(listed, (204, 409), strict=True):
        response = await browser.delete(f"/api/v1/auth/identities/{each['id']}", **safe)
        assert response.status_code == status
    assert error_code(response) == "LAST_SIGN_IN_METHOD"


async def test_identity_that_is_linked_already_stays_linked_once(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    before = (await browser.get("/api/v1/auth/identities")).json()["items"]
    started = await browser.post(
        "/api/v1/auth/identities", json={"provider": "google", "return_to": "/settings"}, **safe
    )
    response = await browser.get(await approve(started.json()["redirect_url"]))
    assert (response.status_code, response.headers["Location"]) == (303, "/settings")
    after = (await browser.get("/api/v1/auth/identities")).json()["items"]
    assert [each["id"] for each in after] == [each["id"] for each in before]
    assert after[0]["last_used_at"] > before[0]["last_used_at"]


async def test_unlinking_ends_the_other_sessions_of_that_identity_only(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, social_app: Api, oidc_issuer: OidcIssuer
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    provider_user = oidc_issuer.auto_approve
    started = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await browser.get(await approve(started.json()["redirect_url"]))
    await sign_in(other_browser, "github")
    async with make_client(social_app) as third:
        oidc_issuer.auto_approve = provider_user
        await sign_in(third, "google")
        github = (await browser.get("/api/v1/auth/identities")).json()["items"][0]
        assert github["provider"] == "github"

        assert (await browser.delete(f"/api/v1/auth/identities/{github['id']}", **safe)).status_code == 204

        statuses = [(await each.get(ME)).status_code for each in (browser, third, other_browser)]
    assert statuses == [200, 200, 401]


async def test_one_of_two_concurrently_unlinked_identities_stays(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    started = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await browser.get(await approve(started.json()["redirect_url"]))
    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]

    responses = await asyncio.gather(
        *(browser.delete(f"/api/v1/auth/identities/{each['id']}", **safe) for each in listed)
    )

    assert sorted(response.status_code for response in responses) == [204, 409]


async def test_identity_of_another_user_cannot_be_linked_or_unlinked(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    await sign_in_new_user(other_browser, oidc_issuer, "github")
    linked_elsewhere = oidc_issuer.auto_approve
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = linked_elsewhere
    started = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)

    response = await browser.get(await approve(started.json()["redirect_url"]))

    assert (response.status_code, error_code(response)) == (409, "IDENTITY_TAKEN")
    listed = (await other_browser.get("/api/v1/auth/identities")).json()["items"]
    foreign = await browser.delete(f"/api/v1/auth/identities/{listed[0]['id']}", **safe)
    assert (foreign.status_code, error_code(foreign)) == (404, "IDENTITY_NOT_FOUND")


async def test_page_of_a_failed_link_leads_back(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    await sign_in_new_user(other_browser, oidc_issuer, "github")
    linked_elsewhere = oidc_issuer.auto_approve
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = linked_elsewhere
    started = await browser.post(
        "/api/v1/auth/identities", json={"provider": "github", "return_to": "/app/account/identities/"}, **safe
    )

    page = await browser.get(await approve(started.json()["redirect_url"]), headers={"Accept": "text/html"})

    assert page.status_code == 409
    assert 'href="/app/account/identities/"' in page.text


@pytest.mark.requires_module("mfa")
async def test_user_without_a_password_can_only_sign_in_again(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    assert (await browser.get(ME)).json()["has_password"] is False
    async with database.session() as session:
        await session.execute(update(AuthSession).values(reauthenticated_at=None))
    refused = await browser.post("/api/v1/auth/passkeys/options", **safe)
    assert (refused.status_code, error_code(refused)) == (403, "STEP_UP_REQUIRED")
    assert refused.json()["error"]["details"] == {"methods": ["sign_in"]}


async def test_linking_is_refused_after_the_user_signed_out(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    started = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    jar = httpx.Cookies(browser.cookies)
    await browser.post("/api/v1/auth/logout", **safe)
    browser.cookies = jar

    response = await browser.get(await approve(started.json()["redirect_url"]))

    assert (response.status_code, error_code(response)) == (403, "LINKING_NEEDS_SESSION")
    assert await count(database, ExternalIdentity) == 1


async def test_linking_is_refused_after_another_user_signed_in_with_the_browser(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    started = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await sign_in_new_user(browser, oidc_issuer, "google")

    response = await browser.get(await approve(started.json()["redirect_url"]))

    assert (response.status_code, error_code(response)) == (403, "LINKING_NEEDS_SESSION")
    assert await count(database, ExternalIdentity) == 2


async def test_cross_site_linking_is_refused(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    """The request contains everything that own pages send, but comes from another site."""
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    body = {"provider": "github"}
    own = await browser.post("/api/v1/auth/identities", json=body, **safe)
    assert own.status_code == 200

    for changed, expected in (
        ({"Sec-Fetch-Site": "cross-site"}, "CSRF_FAILED"),
        ({"X-CSRF-Token": "x"}, "CSRF_FAILED"),
    ):
        refused = await browser.post("/api/v1/auth/identities", json=body, headers=safe["headers"] | changed)
        assert (refused.status_code, error_code(refused)) == (403, expected), changed


async def test_linking_and_unlinking_notify_the_account_owner(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, mailbox: Mailbox, database: Database
) -> None:
    local = await create_local_account(database, "owner@example.com", verified=True)
    await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = oidc_issuer.add_user(email=local.email)
    async with make_client(browser._transport.app) as other_browser:  # type: ignore[attr-defined]
        safe = await sign_in_approved_user(other_browser, "google")
        listed = (await other_browser.get("/api/v1/auth/identities")).json()["items"]
        await other_browser.delete(f"/api/v1/auth/identities/{listed[0]['id']}", **safe)

    list_new = await mailbox.list_new()

    assert sorted((mail.to, mail.subject.partition(" ")[0]) for mail in list_new) == [
        (local.email, "Google"),
        (local.email, "You"),
    ]
