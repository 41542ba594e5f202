"""Every change of identities records one audit entry without secrets."""

import httpx2 as httpx

from tests.modules.audit.entries import entries
from tests.modules.identities.browsers import (
    approve,
    browser,
    module_social_app,
    parse_callback,
    sign_in,
    sign_in_new_user,
    social_app,
    start,
)
from tests.modules.identities.requests import error_code
from undercroft.core.db import Database
from undercroft.devstack.emulators.oidc import Failure, OidcIssuer

__all__ = ["browser", "module_social_app", "social_app"]


async def test_first_sign_in_records_registration_link_and_session(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    await sign_in(browser)
    me = (await browser.get("/api/v1/app/users/me")).json()["id"]

    written = await entries(database)

    assert [entry["action"] for entry in written][-3:] == ["user.registered", "identity.linked", "session.started"]
    linked = written[-2]
    assert str(linked["user_id"]) == me
    assert linked["after"] == {"provider": "oidc", "issuer": oidc_issuer.url}
    assert oidc_issuer.auto_approve.subject not in str([entry["after"] for entry in written])


async def test_linking_and_unlinking_are_recorded(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    started = await browser.post("/api/v1/auth/identities", json={"provider": "github"}, **safe)
    await browser.get(await approve(started.json()["redirect_url"]))
    listed = (await browser.get("/api/v1/auth/identities")).json()["items"]
    await browser.delete(f"/api/v1/auth/identities/{listed[0]['id']}", **safe)
    refused = await browser.delete(f"/api/v1/auth/identities/{listed[1]['id']}", **safe)

    written = await entries(database)

    assert (refused.status_code, error_code(refused)) == (409, "LAST_SIGN_IN_METHOD")
    linked = [entry for entry in written if entry["action"] == "identity.linked"]
    assert len(linked) == 2
    unlinked = [entry for entry in written if entry["action"] == "identity.unlinked"]
    assert [entry["before"] for entry in unlinked] == [{"provider": "github", "issuer": f"{oidc_issuer.url}/github"}]
    assert linked[1]["session_id"] == unlinked[0]["session_id"] is not None


async def test_refused_sign_in_records_no_change(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    oidc_issuer.set_failures(Failure.EMAIL_UNVERIFIED)
    refused = await browser.get(await approve(await start(browser)))
    assert error_code(refused) == "EMAIL_UNVERIFIED"
    assert [entry for entry in await entries(database) if entry["action"].startswith(("user.", "identity."))] == []
    assert parse_callback(str(refused.request.url))["state"] not in str(await entries(database))
