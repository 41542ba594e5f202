"""Values that a form passes to the page it redirects to."""

from http.cookies import SimpleCookie
from typing import Any

import pytest
from fastapi import Request, Response
from pydantic import SecretStr

from tests.core.http.asgi_client import AsgiClient
from tests.core.http.conftest import Build
from undercroft.core.http import Exempt, Router
from undercroft.core.http.flash import read_flash, see_other
from undercroft.core.settings import CoreSettings, Environment
from undercroft.testing.configuration import SECRET

router = Router(surface="root", audit=Exempt("It is a test."))


@router.post("/form")
async def submit() -> Response:
    return see_other("/done", email="ada@example.com", token="ä secret")


@router.post("/empty")
async def submit_empty() -> Response:
    return see_other("/done")


@router.get("/done")
@router.get("/elsewhere")
async def show(request: Request) -> dict[str, str]:
    return read_flash(request)


@pytest.fixture
def asgi_client(build: Build) -> AsgiClient:
    return build_for(build, "https://api.example.com")


def build_for(build: Build, public_url: str) -> AsgiClient:
    core = CoreSettings(environment=Environment.TEST, secret_key=SecretStr(SECRET), public_url=public_url)
    return build(router, settings=(core,))


async def submitted(client: AsgiClient) -> Any:
    """The cookie that the form sets."""
    return SimpleCookie((await client("POST", "/form")).headers["set-cookie"])["flash"]


async def shown(client: AsgiClient, path: str, cookie: str) -> Any:
    response = await client.get(path, headers=[("cookie", f"flash={cookie}")])
    assert response.status == 200
    return response.json


async def test_page_reads_the_values_of_the_form(asgi_client: AsgiClient) -> None:
    response = await asgi_client("POST", "/form")
    assert (response.status, response.headers["location"]) == (303, "/done")
    assert (response.headers["cache-control"], response.headers["referrer-policy"]) == ("no-store", "no-referrer")
    cookie = (await submitted(asgi_client)).value
    for _ in range(2):  # also when the page is reloaded
        assert await shown(asgi_client, "/done", cookie) == {"email": "ada@example.com", "token": "ä secret"}


async def test_cookie_is_sent_only_to_the_page_and_not_readable(asgi_client: AsgiClient) -> None:
    cookie = await submitted(asgi_client)
    assert (cookie["path"], cookie["httponly"], cookie["secure"]) == ("/done", True, True)
    assert (cookie["samesite"], cookie["max-age"], cookie["domain"]) == ("lax", "600", "")
    assert cookie.value != (await submitted(asgi_client)).value
    assert await shown(asgi_client, "/elsewhere", cookie.value) == {}


async def test_redirect_without_values_sets_no_cookie(asgi_client: AsgiClient) -> None:
    assert "set-cookie" not in (await asgi_client("POST", "/empty")).headers


async def test_cookie_is_not_secure_on_a_site_without_https(build: Build) -> None:
    assert not (await submitted(build_for(build, "http://api.example.com")))["secure"]


@pytest.mark.parametrize("cookie", ["", "x", "AAAA", "%00", "a" * 4000])
async def test_page_opens_without_values_when_the_cookie_is_invalid(asgi_client: AsgiClient, cookie: str) -> None:
    assert await shown(asgi_client, "/done", cookie) == {}


async def test_page_opens_without_values_when_the_cookie_was_changed(asgi_client: AsgiClient) -> None:
    cookie = (await submitted(asgi_client)).value
    changed = cookie[:20] + ("A" if cookie[20] != "A" else "B") + cookie[21:]
    assert await shown(asgi_client, "/done", changed) == {}
    assert (await asgi_client.get("/done")).json == {}
