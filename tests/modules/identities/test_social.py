"""Social sign-in in a browser."""

import asyncio
import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr
from sqlalchemy import update

from tests.modules.identities import fixtures
from tests.modules.identities.browsers import (
    approve,
    browser,
    module_social_app,
    other_browser,
    parse_callback,
    sign_in,
    social_app,
    start,
)
from tests.modules.identities.requests import ME, count, create_local_account, error_code
from undercroft.core import settings
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.emulators.oidc import Failure, OidcIssuer
from undercroft.modules.auth.settings import DisposableMailSettings
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.sessions.models import AuthSession
from undercroft.modules.users import User
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.users import make_client

__all__ = ["browser", "module_social_app", "other_browser", "social_app"]

ALL = ["google", "apple", "microsoft", "github", "oidc"]


@pytest.mark.parametrize("provider", ALL)
async def test_new_user_is_signed_in_after_the_callback(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, provider: str
) -> None:
    oidc_issuer.auto_approve = provider_user = oidc_issuer.add_user(name="Ada Lovelace")

    response = await sign_in(browser, provider, return_to="/welcome?step=1")

    assert (response.status_code, response.headers["Location"]) == (303, "/welcome?step=1")
    me = (await browser.get(ME)).json()
    assert (me["email"], me["full_name"]) == (provider_user.email, "Ada Lovelace")
    assert [name for name in browser.cookies if name.startswith("uc_flow")] == []


@pytest.mark.parametrize("provider", ALL)
async def test_known_user_gets_the_same_account(
    browser: httpx.AsyncClient,
    other_browser: httpx.AsyncClient,
    oidc_issuer: OidcIssuer,
    database: Database,
    provider: str,
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    await sign_in(browser, provider)
    await sign_in(other_browser, provider)

    assert (await browser.get(ME)).json()["id"] == (await other_browser.get(ME)).json()["id"]
    assert await count(database, User) == await count(database, ExternalIdentity) == 1


@pytest.mark.parametrize("provider", ALL)
async def test_authorization_request_contains_state_nonce_and_pkce(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, provider: str
) -> None:
    parameters = parse_callback(await start(browser, provider))
    cookie = (await browser.get(f"/api/v1/auth/social/{provider}")).headers["Set-Cookie"]

    assert parameters["response_type"] == "code"
    assert parameters["code_challenge_method"] == "S256"
    assert len(parameters["state"]) >= 43
    assert "nonce" in parameters or provider == "github"
    assert parameters["redirect_uri"] == f"{PUBLIC_URL}/api/v1/auth/social/{provider}/callback"
    assert "client_secret" not in parameters
    assert {"HttpOnly", "Max-Age=600", "SameSite=lax"} <= set(cookie.split("; "))
    assert not any(value in cookie for value in (parameters["state"], parameters.get("nonce", parameters["state"])))


async def test_enabled_providers_are_listed(browser: httpx.AsyncClient) -> None:
    listed = (await browser.get("/api/v1/auth/social")).json()["items"]
    assert [each["name"] for each in listed] == ["google", "apple", "microsoft", "github", "oidc"]
    assert listed[0] == {"name": "google", "label": "Google", "url": "/api/v1/auth/social/google"}


async def test_no_provider_is_enabled_by_default(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/auth/social")).json() == {"items": []}
    assert (await client.get("/api/v1/auth/social/google")).status_code == 404


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize("error", [Failure.EMAIL_UNVERIFIED, Failure.EMAIL_MISSING])
async def test_unverified_address_neither_links_nor_creates_an_account(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, provider: str, error: Failure
) -> None:
    victim = await create_local_account(database, "victim@example.com", verified=True)
    oidc_issuer.auto_approve = oidc_issuer.add_user(email=victim.email)
    oidc_issuer.set_failures(error)

    response = await sign_in(browser, provider)

    assert (response.status_code, error_code(response)) == (409, "EMAIL_UNVERIFIED")
    assert (await browser.get(ME)).status_code == 401
    assert (await count(database, ExternalIdentity), await count(database, User)) == (0, 1)
    assert await count(database, AuthSession) == 0


@pytest.mark.parametrize("provider", ALL)
async def test_user_with_an_unverified_address_is_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, provider: str
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user(email_verified=False)
    response = await sign_in(browser, provider)
    assert (response.status_code, error_code(response)) == (409, "EMAIL_UNVERIFIED")


METHODS = [
    None,
    ("client_secret_basic",),
    ("client_secret_post",),
    ("private_key_jwt", "client_secret_post"),
    ("none",),
]


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser of an application that has not fetched the issuer's metadata yet."""
    async with fixtures.application(database, *fixtures.social(oidc_issuer)) as app, make_client(app) as client:
        yield client


@pytest.mark.parametrize("methods", METHODS, ids=str)
async def test_client_secret_is_sent_with_a_method_that_the_issuer_supports(
    oidc_issuer: OidcIssuer, fresh: httpx.AsyncClient, methods: tuple[str, ...] | None
) -> None:
    oidc_issuer.auth_methods = methods
    oidc_issuer.auto_approve = provider_user = oidc_issuer.add_user()

    assert (await sign_in(fresh)).status_code == 303

    assert (await fresh.get(ME)).json()["email"] == provider_user.email


async def test_sign_in_fails_when_the_issuer_supports_no_known_authentication_method(
    oidc_issuer: OidcIssuer, fresh: httpx.AsyncClient
) -> None:
    oidc_issuer.auth_methods = ("tls_client_auth",)
    oidc_issuer.auto_approve = oidc_issuer.add_user()

    response = await sign_in(fresh)

    assert (response.status_code, error_code(response)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert oidc_issuer.traffic.hits["/token"] == 0


async def test_public_client_without_secret_signs_in_when_the_issuer_allows_it(
    worker_app: Api, database: Database, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auth_methods = ("client_secret_basic", "none")
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    identity, social = fixtures.social(oidc_issuer)
    public = social.model_copy(update={"oidc_client_secret": SecretStr("")})
    async with fixtures.application(database, identity, public) as app, make_client(app) as client:
        assert (await sign_in(client)).status_code == 303


async def test_verified_address_links_a_verified_account(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    local = await create_local_account(database, "both@example.com", verified=True)
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="Both@Example.com")

    await sign_in(browser)

    assert (await browser.get(ME)).json()["id"] == str(local.id)


async def test_verified_address_does_not_link_an_unverified_account(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    await create_local_account(database, "half@example.com", verified=False)
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="half@example.com")

    response = await sign_in(browser)

    assert (response.status_code, error_code(response)) == (409, "IDENTITY_CONFLICT")


async def test_a_callback_works_once(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    address = await start(browser)
    jar = httpx.Cookies(browser.cookies)
    callback = await approve(address)
    assert (await browser.get(callback)).status_code == 303
    browser.cookies = jar

    again = await browser.get(callback)
    with_another_code = await browser.get(await approve(address))

    assert (again.status_code, error_code(again)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert (with_another_code.status_code, error_code(with_another_code)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, AuthSession) == 1


async def test_concurrent_callbacks_start_one_session(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    callback = await approve(await start(browser))

    responses = await asyncio.gather(*(browser.get(callback) for _ in range(10)))

    assert sorted(response.status_code for response in responses) == [303] + [400] * 9
    assert await count(database, AuthSession) == 1
    assert oidc_issuer.traffic.hits["/token"] == 1


async def test_a_state_of_another_browser_is_refused(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    """Login CSRF: the victim's browser completes the attacker's flow and would use the attacker's account."""
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    callback = await approve(await start(other_browser))
    await start(browser)

    response = await browser.get(callback)

    assert (response.status_code, error_code(response)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, AuthSession) == 0


async def test_stolen_code_is_refused_with_another_verifier(
    browser: httpx.AsyncClient, other_browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    """The attacker's own state comes with the attacker's own verifier."""
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    stolen = parse_callback(await approve(await start(browser)))["code"]
    own = parse_callback(await start(other_browser))["state"]

    response = await other_browser.get(
        "/api/v1/auth/social/oidc/callback", params={"code": stolen, "state": own, "iss": oidc_issuer.url}
    )

    assert (response.status_code, error_code(response)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, User) == 0


@pytest.mark.parametrize(
    "error",
    [
        Failure.WRONG_NONCE,
        Failure.WRONG_AUDIENCE,
        Failure.WRONG_ISSUER,
        Failure.EXPIRED,
        Failure.NOT_YET_VALID,
        Failure.ALG_NONE,
        Failure.ALG_HS256,
        Failure.UNKNOWN_KEY,
        Failure.WRONG_KEY_TYPE,
        Failure.WRONG_ISS_PARAMETER,
    ],
)
async def test_invalid_id_token_is_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, error: Failure
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    oidc_issuer.set_failures(error)

    response = await sign_in(browser)

    assert (response.status_code, error_code(response)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, User) == 0


async def test_missing_iss_parameter_is_refused_when_the_issuer_supports_it(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    callback = httpx.URL(await approve(await start(browser))).copy_remove_param("iss")
    refused = await browser.get(callback)
    assert (refused.status_code, error_code(refused)) == (400, "SOCIAL_SIGN_IN_FAILED")


async def test_response_of_one_provider_is_refused_at_another(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    callback = await approve(await start(browser, "google"))
    refused = await browser.get(callback.replace("/google/callback", "/microsoft/callback"))
    assert (refused.status_code, error_code(refused)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert (await browser.get(callback)).status_code == 303


async def test_unreachable_provider_returns_503(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    oidc_issuer.set_failures(Failure.TOKEN_DOWN)
    response = await sign_in(browser)
    assert (response.status_code, error_code(response)) == (503, "IDENTITY_PROVIDER_UNAVAILABLE")


async def test_denied_sign_in_returns_an_error(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.set_failures(Failure.DENY)
    response = await sign_in(browser)
    assert (response.status_code, error_code(response)) == (400, "SOCIAL_SIGN_IN_DENIED")


async def test_browser_gets_an_error_page(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user(email_verified=False)
    callback = await approve(await start(browser))

    response = await browser.get(callback, headers={"Accept": "text/html,*/*"})

    assert response.status_code == 409
    assert "verified" in response.text
    assert response.headers["Content-Type"].startswith("text/html")
    assert response.headers["Cache-Control"] == "no-store"


ELSEWHERE = [
    "https://evil.example.com",
    "//evil.example.com",
    "/\\evil.example.com",
    "\\\\evil.example.com",
    "javascript:alert(1)",
    "evil",
    "",
    "/a\r\nSet-Cookie: x=y",
    "/\t/evil.example.com",
    "myapp://signed-in",
]


@pytest.mark.parametrize("target", ELSEWHERE)
async def test_return_url_outside_of_the_site_is_refused(browser: httpx.AsyncClient, target: str) -> None:
    response = await browser.get("/api/v1/auth/social/oidc", params={"return_to": target})
    assert (response.status_code, error_code(response)) == (400, "RETURN_URL_NOT_ALLOWED")


@pytest.mark.parametrize("target", ["myapp://signed-in/", "myapp://signed-in?x=1", "https://evil.example.com"])
async def test_app_return_url_must_be_listed_exactly(browser: httpx.AsyncClient, target: str) -> None:
    parameters = {"return_to": target, "session": "bearer", "code_challenge": "x" * 43}
    refused = await browser.get("/api/v1/auth/social/oidc", params=parameters)
    assert (refused.status_code, error_code(refused)) == (400, "RETURN_URL_NOT_ALLOWED")


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    return verifier, urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def request_code(browser: httpx.AsyncClient, challenge: str) -> str:
    parameters = {"return_to": "myapp://signed-in", "session": "bearer", "code_challenge": challenge}
    response = await sign_in(browser, **parameters)
    assert response.headers["Location"].startswith("myapp://signed-in?code=")
    return parse_callback(response.headers["Location"])["code"]


async def exchange_code(browser: httpx.AsyncClient, given: str, verifier: str) -> httpx.Response:
    body = {"code": given, "code_verifier": verifier}
    return await browser.post("/api/v1/auth/social/exchange", json=body)


async def test_app_exchanges_a_code_once_for_tokens(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.auto_approve = provider_user = oidc_issuer.add_user()
    verifier, challenge = pkce()
    given = await request_code(browser, challenge)

    responses = await asyncio.gather(*(exchange_code(browser, given, verifier) for _ in range(5)))

    assert sorted(response.status_code for response in responses) == [200, 400, 400, 400, 400]
    pair = next(response.json() for response in responses if response.status_code == 200)
    me = await browser.get(ME, headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert me.json()["email"] == provider_user.email
    assert "set-cookie" not in responses[0].headers


async def test_code_of_a_user_who_was_deactivated_meanwhile_is_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    verifier, challenge = pkce()
    given = await request_code(browser, challenge)
    async with database.session() as session:
        await session.execute(update(User).values(is_active=False))
    refused = await exchange_code(browser, given, verifier)
    assert (refused.status_code, error_code(refused)) == (401, "ACCOUNT_INACTIVE")


async def test_wrong_verifier_uses_the_code(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.auto_approve = oidc_issuer.add_user()
    verifier, challenge = pkce()
    given = await request_code(browser, challenge)

    stolen = await exchange_code(browser, given, pkce()[0])
    right = await exchange_code(browser, given, verifier)

    assert (stolen.status_code, error_code(stolen)) == (400, "INVALID_CODE")
    assert (right.status_code, error_code(right)) == (400, "INVALID_CODE")


async def test_bearer_sign_in_requires_a_code_challenge(browser: httpx.AsyncClient) -> None:
    response = await browser.get("/api/v1/auth/social/oidc", params={"session": "bearer"})
    assert (response.status_code, error_code(response)) == (422, "CHALLENGE_MISSING")


async def test_apple_form_callback_without_cookies_is_redirected(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    """The POST has no cookies; the redirect after it has them."""
    oidc_issuer.auto_approve = provider_user = oidc_issuer.add_user(name="")
    fields = parse_callback(await approve(await start(browser, "apple")))
    fields["user"] = '{"name": {"firstName": "Ada", "lastName": "Lovelace"}}'
    oidc_issuer.auto_approve = provider_user
    posted = await browser.post(
        "/api/v1/auth/social/apple/callback",
        data=fields,
        headers={"Origin": "https://appleid.apple.com", "Sec-Fetch-Site": "cross-site", "Cookie": ""},
    )

    assert posted.status_code == 303
    assert (await browser.get(posted.headers["Location"])).status_code == 303
    assert (await browser.get(ME)).json()["full_name"] == "Ada Lovelace"


async def test_deactivated_account_is_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    local = await create_local_account(database, "out@example.com", verified=True)
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="out@example.com")
    async with database.session() as session:
        from undercroft.modules.users import UserRepository

        await UserRepository(session).update(await UserRepository(session).lock(local.id), {"is_active": False})

    response = await sign_in(browser)

    assert (response.status_code, error_code(response)) == (401, "ACCOUNT_INACTIVE")


@pytest.mark.parametrize("cookie", ["", "x", "é", "A" * 5000])
async def test_invalid_flow_cookie_is_refused(browser: httpx.AsyncClient, cookie: str) -> None:
    state = parse_callback(await start(browser))["state"]
    name = next(name for name in browser.cookies)
    browser.cookies.clear()
    response = await browser.get(
        "/api/v1/auth/social/oidc/callback",
        params={"state": state, "code": "x"},
        headers=[("Cookie", f"{name}={cookie}".encode())],
    )
    assert (response.status_code, error_code(response)) == (400, "SOCIAL_SIGN_IN_FAILED")


async def test_disposable_address_creates_no_account_when_those_are_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    settings.use(DisposableMailSettings(disposable_mail="refuse", disposable_mail_domains=("thrown.example.com",)))
    await create_local_account(database, "known@thrown.example.com", verified=True)
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="new@thrown.example.com")
    response = await sign_in(browser)
    oidc_issuer.auto_approve = oidc_issuer.add_user(email="known@thrown.example.com")

    assert (response.status_code, error_code(response)) == (422, "DISPOSABLE_EMAIL")
    assert (await sign_in(browser)).status_code == 303
    assert await count(database, User) == 1
