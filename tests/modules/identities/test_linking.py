"""Linking another identity to one's account, and unlinking it."""

import asyncio

import httpx

from tests.modules.auth.people import Mailbox
from tests.modules.identities.acts import ME, a_local_account, code, count
from tests.modules.identities.browsers import (
    agree,
    another,
    browser,
    one_world,
    sign_in,
    signed_in_as,
    signed_in_people,
    world,
)
from undercroft.core.db import Database
from undercroft.devstack.standins.oidc import OidcIssuer
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.testing.people import client_of

__all__ = ["another", "browser", "one_world", "world"]


async def test_another_identity_is_linked_listed_and_unlinked(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    safe = await signed_in_people(browser, oidc_issuer, "google")
    oidc_issuer.approving = oidc_issuer.person(email="elsewhere@example.com", email_verified=False)
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github", "return_to": "/settings"}, **safe)
    answer = await browser.get(await agree(begun.json()["redirect_url"]))
    assert (answer.status_code, answer.headers["Location"]) == (303, "/settings")

    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]
    await sign_in(another, "github")

    assert [each["provider"] for each in listed] == ["github", "google"]
    assert (await another.get(ME)).json()["id"] == (await browser.get(ME)).json()["id"]
    for each, status in zip(listed, (204, 409), strict=True):
        answer = await browser.delete(f"/api/v1/auth/identities/{each['id']}", **safe)
        assert answer.status_code == status
    assert code(answer) == "LAST_WAY_IN"


async def test_of_two_unlinked_at_once_one_stays(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    safe = await signed_in_people(browser, oidc_issuer, "google")
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await browser.get(await agree(begun.json()["redirect_url"]))
    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]

    answers = await asyncio.gather(
        *(browser.delete(f"/api/v1/auth/identities/{each['id']}", **safe) for each in listed)
    )

    assert sorted(answer.status_code for answer in answers) == [204, 409]


async def test_an_identity_of_somebody_else_is_not_taken_over(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    await signed_in_people(another, oidc_issuer, "github")
    theirs = oidc_issuer.approving
    safe = await signed_in_people(browser, oidc_issuer, "google")
    oidc_issuer.approving = theirs
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)

    answer = await browser.get(await agree(begun.json()["redirect_url"]))

    assert (answer.status_code, code(answer)) == (409, "IDENTITY_TAKEN")
    listed = (await another.get("/api/v1/auth/identities")).json()["items"]
    foreign = await browser.delete(f"/api/v1/auth/identities/{listed[0]['id']}", **safe)
    assert (foreign.status_code, code(foreign)) == (404, "IDENTITY_NOT_FOUND")


async def test_nothing_is_linked_for_somebody_who_signed_out_meanwhile(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await signed_in_people(browser, oidc_issuer, "google")
    oidc_issuer.approving = oidc_issuer.person()
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    jar = httpx.Cookies(browser.cookies)
    await browser.post("/api/v1/auth/logout", **safe)
    browser.cookies = jar

    answer = await browser.get(await agree(begun.json()["redirect_url"]))

    assert (answer.status_code, code(answer)) == (403, "LINKING_NEEDS_SESSION")
    assert await count(database, ExternalIdentity) == 1


async def test_nothing_is_linked_in_a_browser_with_which_somebody_else_signed_in_meanwhile(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await signed_in_people(browser, oidc_issuer, "google")
    begun = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await signed_in_people(browser, oidc_issuer, "google")

    answer = await browser.get(await agree(begun.json()["redirect_url"]))

    assert (answer.status_code, code(answer)) == (403, "LINKING_NEEDS_SESSION")
    assert await count(database, ExternalIdentity) == 2


async def test_linking_is_refused_to_other_sites(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    """With everything that our own pages send, but from another site."""
    safe = await signed_in_people(browser, oidc_issuer, "google")
    body = {"provider": "github"}
    own = await browser.post("/api/v1/auth/identities", json=body, **safe)
    assert own.status_code == 200

    for changed, expected in (
        ({"Sec-Fetch-Site": "cross-site"}, "CSRF_FAILED"),
        ({"X-CSRF-Token": "x"}, "CSRF_FAILED"),
    ):
        refused = await browser.post("/api/v1/auth/identities", json=body, headers=safe["headers"] | changed)
        assert (refused.status_code, code(refused)) == (403, expected), changed


async def test_who_has_the_account_is_told_of_what_is_linked_and_unlinked(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, mailbox: Mailbox, database: Database
) -> None:
    local = await a_local_account(database, "told@example.com", verified=True)
    await signed_in_people(browser, oidc_issuer, "google")
    oidc_issuer.approving = oidc_issuer.person(email=local.email)
    async with client_of(browser._transport.app) as another:  # type: ignore[attr-defined]
        safe = await signed_in_as(another, "google")
        listed = (await another.get("/api/v1/auth/identities")).json()["items"]
        await another.delete(f"/api/v1/auth/identities/{listed[0]['id']}", **safe)

    arrived = await mailbox.arrived()

    assert sorted((mail.to, mail.subject.partition(" ")[0]) for mail in arrived) == [
        (local.email, "Google"),
        (local.email, "You"),
    ]
