"""Browsers that sign in with a provider."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import pytest_asyncio

from tests.modules.identities import fixtures
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import OidcIssuer
from undercroft.modules.sessions import SessionServices
from undercroft.testing.users import make_client


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def module_social_app(
    worker_app: Api, worker_database: Database, worker_oidc_issuer: OidcIssuer
) -> AsyncIterator[Api]:
    async with fixtures.application(worker_database, *fixtures.social(worker_oidc_issuer)) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def social_app(module_social_app: Api, database: Database) -> Api:
    await module_social_app.context.get(SessionServices).keys.load()
    return module_social_app


@pytest_asyncio.fixture(loop_scope="session")
async def browser(social_app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(social_app) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def other_browser(social_app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(social_app) as client:
        yield client


async def start(browser: httpx.AsyncClient, provider: str = "oidc", **parameters: str) -> str:
    """Start a sign-in and return the URL of the redirect to the provider."""
    response = await browser.get(f"/api/v1/auth/social/{provider}", params=parameters)
    assert response.status_code == 302, response.text
    return response.headers["Location"]


async def approve(url: str) -> str:
    """Approve the sign-in at the provider and return the callback URL."""
    async with httpx.AsyncClient() as client:
        response = await client.get(url)
    if response.status_code == 302:
        return response.headers["Location"]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', response.text))
    action = re.search(r'action="([^"]+)"', response.text)
    assert action, response.text
    return f"{action[1]}?{httpx.QueryParams(fields)}"


async def sign_in(browser: httpx.AsyncClient, provider: str = "oidc", **parameters: str) -> httpx.Response:
    return await browser.get(await approve(await start(browser, provider, **parameters)))


def parse_callback(callback: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}


async def sign_in_new_user(browser: httpx.AsyncClient, issuer: OidcIssuer, provider: str) -> dict[str, Any]:
    issuer.auto_approve = issuer.add_user()
    return await sign_in_approved_user(browser, provider)


async def sign_in_approved_user(browser: httpx.AsyncClient, provider: str) -> dict[str, Any]:
    """Sign in the user that the issuer approves and return the headers of unsafe requests."""
    await sign_in(browser, provider)
    token = (await browser.get("/api/v1/auth/csrf")).json()["csrf_token"]
    return {"headers": {"X-CSRF-Token": token, "Sec-Fetch-Site": "same-origin"}}
