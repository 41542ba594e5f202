"""Email addresses that change at the provider, with events in any order. Each user retains the own account."""

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio
from sqlmodel import col, select

from tests.modules.identities import fixtures
from tests.modules.identities.provider_messages import clerk_token
from tests.modules.identities.providers import ExternalProvider, send_event, update_user
from tests.modules.identities.requests import count, create_local_account, error_code, find_user, get_as
from undercroft.core.auth import Authenticator
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer, ProviderUser
from undercroft.jobs import enqueue
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.identities.service import token_auth
from undercroft.modules.identities.tasks import retry_addresses
from undercroft.modules.users import User, UserService
from undercroft.testing.jobs import CapturedJobs
from undercroft.testing.users import make_client

OLD, NEW, THIRD = "old@example.com", "new@example.com", "third@example.com"


@pytest.fixture(params=["clerk", "supabase"])
def service(request: pytest.FixtureRequest, oidc_issuer: OidcIssuer) -> ExternalProvider:
    return ExternalProvider(request.param, oidc_issuer)


@pytest_asyncio.fixture(loop_scope="session")
async def http(
    worker_app: Api, service: ExternalProvider, database: Database, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[httpx.AsyncClient]:
    monkeypatch.setattr(token_auth, "REJECTION_CACHE_SECONDS", 0)
    async with fixtures.application(database, service.settings) as app, make_client(app) as client:
        yield client


async def email_of(database: Database, provider_user: ProviderUser) -> str | None:
    user = await find_user(database, provider_user)
    return user and user.email


async def list_user_ids(http: httpx.AsyncClient, service: ExternalProvider, *users: ProviderUser) -> list[str]:
    return [(await get_as(http, service.token(provider_user))).json()["id"] for provider_user in users]


async def pending(database: Database) -> list[str]:
    async with database.read_session() as session:
        column = col(ExternalIdentity.pending_email)
        return list((await session.scalars(select(column).where(column.is_not(None)))).all())


async def move(
    http: httpx.AsyncClient, service: ExternalProvider, provider_user: ProviderUser, email: str, *, at: float
) -> None:
    moved = update_user(service.issuer, provider_user, email=email)
    assert (await send_event(http, service, "updated", moved, at=at)).status_code == 204


@pytest.mark.parametrize("reverse", [False, True])
async def test_two_email_changes_apply_in_any_order_of_events(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, jobs: CapturedJobs, reverse: bool
) -> None:
    """Ada changes her address, and Bea takes over the old one. Eve is not involved."""
    now = service.issuer.now()
    ada, bea, eve = (service.issuer.add_user(email=each) for each in (OLD, "bea@example.com", "eve@example.com"))
    before = await list_user_ids(http, service, ada, bea, eve)
    moves = [(ada, NEW, now + 60), (bea, OLD, now + 120)]
    for provider_user, email, at in reversed(moves) if reverse else moves:
        await move(http, service, provider_user, email, at=at)

    await jobs.run_all(future=True)

    assert [await email_of(database, each) for each in (ada, bea, eve)] == [NEW, OLD, "eve@example.com"]
    assert await list_user_ids(http, service, ada, bea, eve) == before
    assert await pending(database) == []


@pytest.mark.parametrize("length", [2, 3])
async def test_users_who_rotate_their_addresses_all_get_the_new_one(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, jobs: CapturedJobs, length: int
) -> None:
    now, addresses = service.issuer.now(), [OLD, NEW, THIRD][:length]
    users = [service.issuer.add_user(email=each) for each in addresses]
    before = await list_user_ids(http, service, *users)
    rotated = [*addresses[1:], addresses[0]]
    for provider_user, address in zip(users, rotated, strict=True):
        await move(http, service, provider_user, address, at=now + 60)

    await jobs.run_all(future=True)

    assert [await email_of(database, each) for each in users] == rotated
    assert await list_user_ids(http, service, *users) == before
    assert await pending(database) == []


async def test_email_change_waits_until_the_local_owner_changes_the_address(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, jobs: CapturedJobs
) -> None:
    provider_user, now = service.issuer.add_user(), service.issuer.now()
    await get_as(http, service.token(provider_user))
    owner = await create_local_account(database, NEW, verified=True)
    await move(http, service, provider_user, NEW, at=now + 60)
    await jobs.run_all(future=True)
    assert (await email_of(database, provider_user), await pending(database)) == (provider_user.email, [NEW])

    async with database.session() as session:
        await UserService(session).change_email(owner.id, "elsewhere@example.com")
    await jobs.run_all(future=True)

    assert (await email_of(database, provider_user), await pending(database)) == (NEW, [])


async def test_email_change_waits_until_the_owner_of_the_address_is_deleted(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, jobs: CapturedJobs
) -> None:
    ada, bea, now = service.issuer.add_user(email=OLD), service.issuer.add_user(), service.issuer.now()
    await list_user_ids(http, service, ada, bea)
    await move(http, service, bea, OLD, at=now + 60)
    await jobs.run_all(future=True)
    assert await email_of(database, bea) == bea.email

    assert (await send_event(http, service, "deleted", ada)).status_code == 204
    await jobs.run_all(future=True)

    assert (await email_of(database, bea), await pending(database)) == (OLD, [])


async def test_scheduled_task_retries_pending_addresses_that_became_free_without_an_event(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, jobs: CapturedJobs
) -> None:
    provider_user, now = service.issuer.add_user(), service.issuer.now()
    await get_as(http, service.token(provider_user))
    owner = await create_local_account(database, NEW, verified=True)
    await move(http, service, provider_user, NEW, at=now + 60)
    await jobs.run_all(future=True)
    async with database.session() as session:
        locked = await session.get(User, owner.id)
        assert locked is not None
        locked.email = "elsewhere@example.com"

    async with database.session() as session:
        await enqueue(session, retry_addresses)
    await jobs.run_all(future=True)

    assert (await email_of(database, provider_user), await pending(database)) == (NEW, [])


async def test_reverted_email_change_is_no_longer_pending(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database, jobs: CapturedJobs
) -> None:
    provider_user, now = service.issuer.add_user(), service.issuer.now()
    await get_as(http, service.token(provider_user))
    owner = await create_local_account(database, NEW, verified=True)
    for minute, email in enumerate((NEW, provider_user.email), start=1):
        await move(http, service, provider_user, email, at=now + 60 * minute)
    async with database.session() as session:
        await UserService(session).change_email(owner.id, "elsewhere@example.com")
    await jobs.run_all(future=True)

    assert (await email_of(database, provider_user), await pending(database)) == (provider_user.email, [])


async def test_new_user_with_a_reused_address_does_not_get_the_previous_owners_account(
    http: httpx.AsyncClient, service: ExternalProvider, database: Database
) -> None:
    ada = service.issuer.add_user(email=OLD, name="Ada")
    before = await list_user_ids(http, service, ada)
    bea = service.issuer.add_user(email=OLD, name="Bea")

    refused = await get_as(http, service.token(bea))

    assert (refused.status_code, error_code(refused)) == (409, "IDENTITY_CONFLICT")
    assert await count(database, User) == 1

    await move(http, service, ada, NEW, at=service.issuer.now() + 60)
    own = await get_as(http, service.token(bea))
    assert (own.status_code, own.json()["email"]) == (200, OLD)
    assert [own.json()["id"]] != before
    assert await list_user_ids(http, service, ada) == before


async def test_current_address_of_the_previous_owner_is_fetched_from_clerk(
    worker_app: Api, database: Database, oidc_issuer: OidcIssuer
) -> None:
    """No webhook reported the change."""
    async with fixtures.application(database, fixtures.clerk(oidc_issuer)) as app, make_client(app) as http:
        ada = oidc_issuer.add_user(email=OLD)
        first = await get_as(http, clerk_token(oidc_issuer, ada))
        update_user(oidc_issuer, ada, email=NEW)
        bea = oidc_issuer.add_user(email=OLD)

        own = await get_as(http, clerk_token(oidc_issuer, bea))

        assert (own.status_code, own.json()["email"]) == (200, OLD)
        again = await get_as(http, clerk_token(oidc_issuer, ada))
        assert (again.json()["id"], again.json()["email"]) == (first.json()["id"], NEW)
        assert own.json()["id"] != first.json()["id"]


@pytest.mark.parametrize("verified", [True, False])
async def test_verified_address_in_a_token_updates_the_account_without_a_webhook(
    worker_app: Api, database: Database, oidc_issuer: OidcIssuer, verified: bool
) -> None:
    async with fixtures.application(database, fixtures.oidc(oidc_issuer)) as app, make_client(app) as http:
        provider_user, other = oidc_issuer.add_user(), oidc_issuer.add_user()
        for each in (provider_user, other):
            assert (await get_as(http, oidc_issuer.token(each))).status_code == 200
        moved = update_user(oidc_issuer, provider_user, email=NEW, email_verified=verified)

        assert (await get_as(http, oidc_issuer.token(moved))).status_code == 200
        await app.context.get(Authenticator).external.close()

        assert await email_of(database, provider_user) == (NEW if verified else provider_user.email)
        assert await email_of(database, other) == other.email
