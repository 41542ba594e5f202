"""Passkeys created by Chromium with a virtual authenticator."""

from collections.abc import AsyncIterator
from typing import Any

import httpx2 as httpx
import pytest
import pytest_asyncio

from tests.modules.auth.users import RegisteredUser, error_code, post
from undercroft.core.settings import CoreSettings, load, use

PAGE = "http://localhost:8765"
AUTHENTICATOR = {
    "protocol": "ctap2",
    "transport": "internal",
    "hasResidentKey": True,
    "hasUserVerification": True,
    "isUserVerified": True,
    "automaticPresenceSimulation": True,
}
CREATE = """async options => {
    const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(options)
    return (await navigator.credentials.create({publicKey})).toJSON()
}"""
GET = """async options => {
    const publicKey = PublicKeyCredential.parseRequestOptionsFromJSON(options)
    return (await navigator.credentials.get({publicKey})).toJSON()
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def page(chromium: Any) -> AsyncIterator[Any]:
    """A page in a browser with a virtual authenticator."""
    opened = await chromium.new_page()
    await opened.route("**/*", lambda route: route.fulfill(content_type="text/html", body="<title>Ours</title>"))
    devtools = await opened.context.new_cdp_session(opened)
    await devtools.send("WebAuthn.enable")
    await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": AUTHENTICATOR})
    await opened.goto(PAGE)
    yield opened


@pytest.fixture(autouse=True)
def served_there(test_settings: None) -> None:
    use(load(CoreSettings).model_copy(update={"public_url": PAGE}))


async def test_browser_creates_a_passkey_and_signs_in_with_it(
    ada: RegisteredUser, http: httpx.AsyncClient, page: Any
) -> None:
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    made = await page.evaluate(CREATE, options)
    added = await ada.send("POST", "/auth/passkeys", {"name": "Chromium", "credential": made})
    assert added.status_code == 201, added.text

    options = (await post(http, "/passkeys/sign-in/options", None)).json()["options"]
    signed = await page.evaluate(GET, options)
    response = await post(http, "/passkeys/sign-in", {"passkey": signed})
    assert response.status_code == 200, response.text
    assert error_code(await post(http, "/passkeys/sign-in", {"passkey": signed})) == "INVALID_PASSKEY"

    options = (await ada.send("POST", "/auth/step-up/options")).json()["options"]
    signed = await page.evaluate(GET, options)
    assert (await ada.send("POST", "/auth/step-up", {"passkey": signed})).status_code == 204


async def test_passkey_of_another_origin_is_refused(ada: RegisteredUser, page: Any) -> None:
    await page.goto("http://localhost:8766")
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    made = await page.evaluate(CREATE, options)
    refused = await ada.send("POST", "/auth/passkeys", {"credential": made})
    assert (refused.status_code, error_code(refused)) == (400, "PASSKEY_REFUSED")
