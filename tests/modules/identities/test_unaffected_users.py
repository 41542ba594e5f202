"""Changes of one identity, or by one user, do not affect other identities."""

from datetime import timedelta
from typing import Any

import httpx2 as httpx
from sqlmodel import col, select

from tests.modules.identities.browsers import (
    approve,
    browser,
    module_social_app,
    other_browser,
    sign_in,
    sign_in_new_user,
    social_app,
)
from tests.modules.identities.requests import ME, count, error_code
from tests.modules.identities.test_social import exchange_code, pkce, request_code
from undercroft.core.db import Database, utc_now
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.jobs import enqueue
from undercroft.modules.identities.models import ExchangeCode, ExternalIdentity, UsedMark
from undercroft.modules.identities.repository import SingleUseRepository
from undercroft.modules.identities.tasks import clean_up
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.users import UserService
from undercroft.testing.jobs import CapturedJobs

__all__ = ["browser", "module_social_app", "other_browser", "social_app"]

IDENTITIES = "/api/v1/auth/identities"


async def link(browser: httpx.AsyncClient, issuer: OidcIssuer, provider: str, safe: dict) -> None:
    issuer.auto_approve = issuer.add_user()
    started = await browser.post(IDENTITIES, json={"provider": provider}, **safe)
    assert (await browser.get(await approve(started.json()["redirect_url"]))).status_code == 303


async def listed(browser: httpx.AsyncClient, **query: int) -> list[str]:
    return [each["provider"] for each in (await browser.get(IDENTITIES, params=query)).json()["items"]]


async def test_identities_of_another_user_are_not_listed_and_do_not_count_as_a_sign_in_method(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    others = await sign_in_new_user(other_browser, oidc_issuer, "github")
    await link(other_browser, oidc_issuer, "oidc", others)
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    assert (await listed(browser), await listed(other_browser)) == (["google"], ["oidc", "github"])
    (own,) = (await browser.get(IDENTITIES)).json()["items"]

    refused = await browser.delete(f"{IDENTITIES}/{own['id']}", **safe)

    assert (refused.status_code, error_code(refused)) == (409, "LAST_SIGN_IN_METHOD")
    foreign = (await other_browser.get(IDENTITIES)).json()["items"][0]
    refused = await browser.delete(f"{IDENTITIES}/{foreign['id']}", **safe)
    assert (refused.status_code, error_code(refused)) == (404, "IDENTITY_NOT_FOUND")
    assert await listed(other_browser) == ["oidc", "github"]


async def test_unlinking_removes_only_that_identity(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    await sign_in_new_user(other_browser, oidc_issuer, "google")
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    for provider in ("github", "oidc"):
        await link(browser, oidc_issuer, provider, safe)
    unlinked = (await browser.get(IDENTITIES)).json()["items"][1]
    assert unlinked["provider"] == "github"

    assert (await browser.delete(f"{IDENTITIES}/{unlinked['id']}", **safe)).status_code == 204

    assert (await listed(browser), await listed(other_browser)) == (["oidc", "google"], ["google"])


async def test_identities_are_listed_page_by_page(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    safe = await sign_in_new_user(browser, oidc_issuer, "google")
    for provider in ("github", "oidc"):
        await link(browser, oidc_issuer, provider, safe)
    assert [await listed(browser, page=page, size=2) for page in (1, 2, 3)] == [["oidc", "github"], ["google"], []]


async def test_account_deletion_removes_only_its_own_identities_and_codes(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = other = oidc_issuer.add_user()
    remaining = await request_code(other_browser, (other_pkce := pkce())[1])
    oidc_issuer.auto_approve = provider_user = oidc_issuer.add_user()
    await sign_in(browser)
    await request_code(browser, pkce()[1])
    user_id = (await browser.get(ME)).json()["id"]

    async with database.session() as session:
        await UserService(session).delete(user_id)

    async with database.read_session() as session:
        subjects = (await session.scalars(select(ExternalIdentity.subject))).all()
    assert list(subjects) == [other.subject], provider_user
    assert await count(database, ExchangeCode) == 1
    assert (await exchange_code(other_browser, remaining, other_pkce[0])).status_code == 200


async def test_sign_in_after_account_deletion_creates_a_new_account(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    await sign_in(browser)
    before = (await browser.get(ME)).json()["id"]
    async with database.session() as session:
        await UserService(session).delete(before)

    await sign_in(other_browser)

    assert (await other_browser.get(ME)).json()["id"] != before
    assert (await browser.get(ME)).status_code == 401


async def test_exchange_refuses_only_the_codes_of_revoked_sign_ins(
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    admin: object,
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    verifier, challenge = pkce()
    other = await request_code(other_browser, challenge)
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    await sign_in(browser)
    own = await request_code(browser, challenge)
    user_id = (await browser.get(ME)).json()["id"]
    assert isinstance(admin, httpx.AsyncClient)
    assert (await admin.post(f"/api/v1/admin/users/{user_id}/reset-password")).status_code == 204

    refused = await exchange_code(browser, own, verifier)

    assert (refused.status_code, error_code(refused)) == (400, "INVALID_CODE")
    assert (await exchange_code(other_browser, other, verifier)).status_code == 200


async def test_exchange_code_expires_at_its_expiry_time(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    verifier, challenge = pkce()
    given = await request_code(browser, challenge)
    async with database.session() as session:
        stored = (await session.scalars(select(ExchangeCode))).one()
        assert timedelta(0) < stored.expires_at - utc_now() <= timedelta(seconds=60)
        stored.expires_at = utc_now()

    refused = await exchange_code(browser, given, verifier)

    assert (refused.status_code, error_code(refused)) == (400, "INVALID_CODE")
    assert await count(database, AuthSession) == 0


async def test_clean_up_removes_only_expired_rows(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    for _ in range(2):
        await request_code(browser, pkce()[1])
    now = utc_now()
    async with database.session() as session:
        once = SingleUseRepository(session)
        for number, left in enumerate((timedelta(seconds=-1), timedelta(seconds=60))):
            assert await once.use(bytes([number]), until=now + left)
        oldest = (await session.scalars(select(ExchangeCode).order_by(col(ExchangeCode.expires_at)))).first()
        assert oldest is not None
        oldest.expires_at = now - timedelta(seconds=1)
    async with database.session() as session:
        assert await SingleUseRepository(session).delete_expired(now) == 2
        marks = (await session.scalars(select(UsedMark.mark))).all()
        assert b"\x01" in marks
        assert b"\x00" not in marks
    assert await count(database, ExchangeCode) == 1


async def test_clean_up_removes_only_tombstones_older_than_a_month(
    database: Database, create_user: Any, jobs: CapturedJobs
) -> None:
    provider_user, moment = await create_user(), utc_now()
    ages = {"linked": (provider_user.user_id, 31), "ended": (None, 31), "just ended": (None, 29)}
    async with database.session() as session:
        for subject, (user_id, days) in ages.items():
            session.add(
                ExternalIdentity(
                    user_id=user_id,
                    provider="oidc",
                    issuer="https://issuer.example",
                    subject=subject,
                    updated_at=moment - timedelta(days=days),
                )
            )
    async with database.session() as session:
        job = await enqueue(session, clean_up)
    await jobs.run_all()
    assert (await jobs.get(job.id)).result == {"deleted": 0, "tombstones": 1}
    async with database.read_session() as read_session:
        subjects = (await read_session.scalars(select(ExternalIdentity.subject))).all()
    assert sorted(subjects) == ["just ended", "linked"]
