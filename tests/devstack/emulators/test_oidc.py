"""The OIDC emulator, used by an independent client."""

import subprocess
import sys
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit

import httpx2 as httpx
import jwt
import pytest
import pytest_asyncio

from tests.devstack.stack import wait_until
from undercroft.core.errors import ConfigurationError
from undercroft.devstack.emulators import registry
from undercroft.devstack.emulators.oidc import CLIENT_ID, CLIENT_SECRET, Failure, OidcIssuer
from undercroft.devstack.machine import free_port
from undercroft.devstack.state import DevState

BACK = "https://app.example.com/back"


@pytest_asyncio.fixture(loop_scope="session")
async def http(oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=oidc_issuer.url) as client:
        yield client


async def get_code(http: httpx.AsyncClient, **more: str) -> str:
    asked = {"response_type": "code", "client_id": CLIENT_ID, "redirect_uri": BACK, "state": "s", "nonce": "n", **more}
    response = await http.get("/authorize", params=asked)
    return parse_qs(urlsplit(response.headers["Location"]).query)["code"][0]


async def redeem_code(http: httpx.AsyncClient, code: str, **more: str) -> httpx.Response:
    return await http.post("/token", data={"code": code, "redirect_uri": BACK, **more}, auth=(CLIENT_ID, CLIENT_SECRET))


async def test_keys_from_discovery_verify_the_issuers_tokens(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    metadata = (await http.get("/.well-known/openid-configuration")).json()
    token = oidc_issuer.token(oidc_issuer.add_user())
    keys = jwt.PyJWKSet.from_dict((await http.get(metadata["jwks_uri"])).json())

    key = keys[jwt.get_unverified_header(token)["kid"]]

    assert jwt.decode(token, key, audience="undercroft-api", issuer=metadata["issuer"])["email_verified"] is True


async def test_authorization_code_works_once_with_its_client_redirect_uri_and_verifier(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    code = await get_code(http)
    assert (await redeem_code(http, code)).json()["id_token"]
    assert (await redeem_code(http, code)).json() == {"error": "invalid_grant"}
    assert (await redeem_code(http, await get_code(http), redirect_uri="https://other")).status_code == 400
    challenged = await get_code(http, code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    assert (await redeem_code(http, challenged, code_verifier="wrong")).status_code == 400
    right = await get_code(http, code_challenge="E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM")
    verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    assert (await redeem_code(http, right, code_verifier=verifier)).status_code == 200


@pytest.mark.parametrize("secret", ["", "wrong"])
async def test_token_endpoint_requires_the_client_secret(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer, secret: str
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    form = {"code": await get_code(http), "redirect_uri": BACK, "client_id": CLIENT_ID, "client_secret": secret}
    assert (await http.post("/token", data=form)).status_code == 401
    assert secret != CLIENT_SECRET


async def test_approval_page_lists_users_and_escapes_input(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.add_user("ada", name="<script>")
    asked = {"client_id": CLIENT_ID, "redirect_uri": BACK, "state": '"><script>'}
    page = (await http.get("/authorize", params=asked)).text
    assert "<script>" not in page
    chosen = await http.post("/authorize", params=asked, data={"person": "ada"})
    assert chosen.status_code == 302


async def test_control_api_enables_failures(http: httpx.AsyncClient) -> None:
    await http.post("/control/people", json={"subject": "ada", "email": "ada@example.com"})
    await http.post("/control/failures", json={"failures": ["jwks_down"]})
    assert (await http.get("/.well-known/jwks.json")).status_code == 503
    state = (await http.get("/control/state")).json()
    assert state["failures"] == ["jwks_down"]
    assert state["hits"]["/.well-known/jwks.json"] == 1
    token = (await http.post("/control/token", json={"subject": "ada", "claims": {"aud": "x"}})).json()["token"]
    assert jwt.decode(token, options={"verify_signature": False})["aud"] == "x"
    assert (await http.post("/control/failures", json={"failures": ["nonsense"]})).status_code == 400
    assert (await http.post("/control/nonsense", json={})).status_code == 400
    assert (await http.post("/control/reset", json={})).json()["people"] == []


async def test_control_api_moves_the_clock(http: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    person = oidc_issuer.add_user()
    before = jwt.decode(oidc_issuer.token(person), options={"verify_signature": False})["exp"]
    await http.post("/control/clock", json={"offset": -7200})
    after = jwt.decode(oidc_issuer.token(person), options={"verify_signature": False})["exp"]
    assert 7100 < before - after < 7300


async def test_rotation_publishes_new_keys_and_withdraws_old_ones(
    http: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    before = {key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]}
    oidc_issuer.rotate()
    both = {key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]}
    oidc_issuer.rotate(withdraw=True)
    after = {key["kid"] for key in (await http.get("/.well-known/jwks.json")).json()["keys"]}
    assert before < both
    assert not both & after


def test_all_failures_can_be_enabled(oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.set_failures(*Failure)
    assert len(oidc_issuer.state()["failures"]) == len(Failure)


def test_emulator_process_serves_until_sigterm() -> None:
    port = free_port()
    with subprocess.Popen([sys.executable, "-m", "undercroft.devstack.emulators.oidc", str(port)]) as process:
        try:
            wait_until(lambda: _is_up(port), 30)
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()


def _is_up(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/.well-known/openid-configuration").status_code == 200
    except httpx.HTTPError:
        return False


def test_unknown_emulator_is_reported_with_the_available_ones() -> None:
    with pytest.raises(ConfigurationError, match="oidc"):
        registry.require_known("stripe-of-tomorrow")


def test_emulator_settings_point_to_its_url() -> None:
    settings = registry.settings_of("oidc", DevState(oidc_port=4711))
    assert settings["OIDC_ISSUER"] == f"http://127.0.0.1:{registry.port_of('oidc', DevState(oidc_port=4711))}"
    assert (settings["OIDC_CLIENT_ID"], settings["OIDC_CLIENT_SECRET"]) == (CLIENT_ID, CLIENT_SECRET)
