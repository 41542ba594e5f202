"""Browsers that go to a provider and come back."""

import re
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest_asyncio

from tests.modules.identities import worlds
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.standins.oidc import OidcIssuer
from undercroft.testing.people import client_of


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def one_world(worker_app: Api, worker_database: Database, worker_oidc_issuer: OidcIssuer) -> AsyncIterator[Api]:
    async with worlds.application(worker_database, *worlds.social(worker_oidc_issuer)) as app:
        yield app


@pytest_asyncio.fixture(loop_scope="session")
async def world(one_world: Api, database: Database) -> Api:
    await one_world.state.identity.keys.load()
    return one_world


@pytest_asyncio.fixture(loop_scope="session")
async def browser(world: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


@pytest_asyncio.fixture(loop_scope="session")
async def another(world: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(world) as client:
        yield client


async def start(browser: httpx.AsyncClient, provider: str = "oidc", **asked: str) -> str:
    """Where the provider is, with everything that it is told."""
    answer = await browser.get(f"/api/v1/auth/social/{provider}", params=asked)
    assert answer.status_code == 302, answer.text
    return answer.headers["Location"]


async def agree(address: str) -> str:
    """Say yes at the provider; where that sends the browser."""
    async with httpx.AsyncClient() as outside:
        answer = await outside.get(address)
    if answer.status_code == 302:
        return answer.headers["Location"]
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', answer.text))
    action = re.search(r'action="([^"]+)"', answer.text)
    assert action, answer.text
    return f"{action[1]}?{httpx.QueryParams(fields)}"


async def sign_in(browser: httpx.AsyncClient, provider: str = "oidc", **asked: str) -> httpx.Response:
    return await browser.get(await agree(await start(browser, provider, **asked)))


def answer_of(callback: str) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(callback).query).items()}


async def signed_in_people(browser: httpx.AsyncClient, issuer: OidcIssuer, provider: str) -> dict[str, Any]:
    issuer.approving = issuer.person()
    return await signed_in_as(browser, provider)


async def signed_in_as(browser: httpx.AsyncClient, provider: str) -> dict[str, Any]:
    """Whoever says yes now; what unsafe requests send."""
    await sign_in(browser, provider)
    token = (await browser.get("/api/v1/auth/csrf")).json()["csrf_token"]
    return {"headers": {"X-CSRF-Token": token, "Sec-Fetch-Site": "same-origin"}}
