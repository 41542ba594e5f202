"""Linking another identity to one's account, and unlinking it."""

import asyncio

import httpx

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
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.testing.users import make_client

__all__ = ["browser", "module_social_app", "other_browser", "social_app"]


async def test_another_identity_is_linked_listed_and_unlinked(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="elsewhere@example.com", email_verified=False)
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github", "return_to": "/settings"}, **safe)
    response = await browser.get(await approve(begun.json()["redirect_url"]))
    assert (response.status_code, response.headers["Location"]) == (303, "/settings")

    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]
    await sign_in(other_browser, "github")

    assert [each["provider"] for each in listed] == ["github", "google"]
    assert (await other_browser.get(ME)).json()["id"] == (await browser.get(ME)).json()["id"]
    for each, status in zip(listed, (204, 409), strict=True):
        response = await browser.delete(f"/api/v1/auth/identities/{each['id']}", **safe)
        assert response.status_code == status
    assert error_code(response) == "LAST_WAY_IN"


async def test_of_two_unlinked_at_once_one_stays(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await browser.get(await approve(begun.json()["redirect_url"]))
    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]

    responses = await asyncio.gather(
        *(browser.delete(f"/api/v1/auth/identities/{each['id']}", **safe) for each in listed)
    )

    assert sorted(response.status_code for response in responses) == [204, 409]


async def test_an_identity_of_somebody_else_is_not_taken_over(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    await sign_in_new_user(other_browser, oidc_issuer, "github")
    theirs = oidc_issuer.auto_approve
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = theirs
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)

    response = await browser.get(await approve(begun.json()["redirect_url"]))

    assert (response.status_code, error_code(response)) == (409, "IDENTITY_TAKEN")
    listed = (await other_browser.get("/api/v1/auth/identities")).json()["items"]
    foreign = await browser.delete(f"/api/v1/auth/identities/{listed[0]['id']}", **safe)
    assert (foreign.status_code, error_code(foreign)) == (404, "IDENTITY_NOT_FOUND")


async def test_nothing_is_linked_for_somebody_who_signed_out_meanwhile(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    jar = httpx.Cookies(browser.cookies)
    await browser.post("/api/v1/auth/logout", **safe)
    browser.cookies = jar

    response = await browser.get(await approve(begun.json()["redirect_url"]))

    assert (response.status_code, error_code(response)) == (403, "LINKING_NEEDS_SESSION")
    assert await count(database, ExternalIdentity) == 1


async def test_nothing_is_linked_in_a_browser_with_which_somebody_else_signed_in_meanwhile(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await sign_in_new_user(browser, oidc_issuer, "google")

    response = await browser.get(await approve(begun.json()["redirect_url"]))

    assert (response.status_code, error_code(response)) == (403, "LINKING_NEEDS_SESSION")
    assert await count(database, ExternalIdentity) == 2


async def test_linking_is_refused_to_other_sites(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    """With everything that our own pages send, but from another site."""
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


async def test_who_has_the_account_is_told_of_what_is_linked_and_unlinked(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, mailbox: Mailbox, database: Database
) -> None:
    local = await create_local_account(database, "told@example.com", verified=True)
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
