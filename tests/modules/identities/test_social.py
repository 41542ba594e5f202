"""Signing in with others: through the browser, to the provider and back."""

import asyncio
import hashlib
import secrets
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from pydantic import SecretStr

from tests.modules.identities import worlds
from tests.modules.identities.acts import ME, a_local_account, code, count
from tests.modules.identities.browsers import (
    agree,
    another,
    answer_of,
    browser,
    one_world,
    sign_in,
    start,
    world,
)
from undercroft.core import settings
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.devstack.standins.oidc import Fault, OidcIssuer
from undercroft.modules.auth.models import AuthSession
from undercroft.modules.auth.settings import DisposableMailSettings
from undercroft.modules.identities.models import ExternalIdentity
from undercroft.modules.users import User
from undercroft.testing.configuration import PUBLIC_URL
from undercroft.testing.people import client_of

__all__ = ["another", "browser", "one_world", "world"]

ALL = ["google", "apple", "microsoft", "github", "oidc"]


@pytest.mark.parametrize("provider", ALL)
async def test_somebody_new_comes_back_signed_in(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, provider: str
) -> None:
    oidc_issuer.approving = person = oidc_issuer.person(name="Ada Lovelace")

    answer = await sign_in(browser, provider, return_to="/welcome?step=1")

    assert (answer.status_code, answer.headers["Location"]) == (303, "/welcome?step=1")
    me = (await browser.get(ME)).json()
    assert (me["email"], me["full_name"]) == (person.email, "Ada Lovelace")
    assert [name for name in browser.cookies if name.startswith("uc_flow")] == []


@pytest.mark.parametrize("provider", ALL)
async def test_somebody_known_comes_back_to_the_same_account(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, provider: str
) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    await sign_in(browser, provider)
    await sign_in(another, provider)

    assert (await browser.get(ME)).json()["id"] == (await another.get(ME)).json()["id"]
    assert await count(database, User) == await count(database, ExternalIdentity) == 1


@pytest.mark.parametrize("provider", ALL)
async def test_what_is_said_to_the_provider(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, provider: str) -> None:
    said = answer_of(await start(browser, provider))
    cookie = (await browser.get(f"/api/v1/auth/social/{provider}")).headers["Set-Cookie"]

    assert said["response_type"] == "code"
    assert said["code_challenge_method"] == "S256"
    assert len(said["state"]) >= 43
    assert "nonce" in said or provider == "github"
    assert said["redirect_uri"] == f"{PUBLIC_URL}/api/v1/auth/social/{provider}/callback"
    assert "client_secret" not in said
    assert {"HttpOnly", "Max-Age=600", "SameSite=lax"} <= set(cookie.split("; "))
    assert not any(value in cookie for value in (said["state"], said.get("nonce", said["state"])))


async def test_those_who_are_on_are_listed(browser: httpx.AsyncClient) -> None:
    listed = (await browser.get("/api/v1/auth/social")).json()["items"]
    assert [each["name"] for each in listed] == ["google", "apple", "microsoft", "github", "oidc"]
    assert listed[0] == {"name": "google", "label": "Google", "url": "/api/v1/auth/social/google"}


async def test_nobody_is_on_without_settings(client: httpx.AsyncClient) -> None:
    assert (await client.get("/api/v1/auth/social")).json() == {"items": []}
    assert (await client.get("/api/v1/auth/social/google")).status_code == 404


@pytest.mark.parametrize("provider", ALL)
@pytest.mark.parametrize("fault", [Fault.EMAIL_UNVERIFIED, Fault.EMAIL_MISSING])
async def test_an_address_that_is_not_proven_is_not_linked_and_makes_nobody(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, provider: str, fault: Fault
) -> None:
    victim = await a_local_account(database, "victim@example.com", verified=True)
    oidc_issuer.approving = oidc_issuer.person(email=victim.email)
    oidc_issuer.misbehave(fault)

    answer = await sign_in(browser, provider)

    assert (answer.status_code, code(answer)) == (409, "EMAIL_UNVERIFIED")
    assert (await browser.get(ME)).status_code == 401
    assert (await count(database, ExternalIdentity), await count(database, User)) == (0, 1)
    assert await count(database, AuthSession) == 0


@pytest.mark.parametrize("provider", ALL)
async def test_somebody_whose_address_alone_is_not_proven_is_not_let_in(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, provider: str
) -> None:
    oidc_issuer.approving = oidc_issuer.person(email_verified=False)
    answer = await sign_in(browser, provider)
    assert (answer.status_code, code(answer)) == (409, "EMAIL_UNVERIFIED")


METHODS = [
    None,
    ("client_secret_basic",),
    ("client_secret_post",),
    ("private_key_jwt", "client_secret_post"),
    ("none",),
]


@pytest_asyncio.fixture(loop_scope="session")
async def fresh(worker_app: Api, database: Database, oidc_issuer: OidcIssuer) -> AsyncIterator[httpx.AsyncClient]:
    """A browser at an application that has not read the issuer's metadata yet."""
    async with worlds.application(database, *worlds.social(oidc_issuer)) as app, client_of(app) as client:
        yield client


@pytest.mark.parametrize("methods", METHODS, ids=str)
async def test_client_secret_is_sent_as_the_issuer_wants_it(
    oidc_issuer: OidcIssuer, fresh: httpx.AsyncClient, methods: tuple[str, ...] | None
) -> None:
    oidc_issuer.auth_methods = methods
    oidc_issuer.approving = person = oidc_issuer.person()

    assert (await sign_in(fresh)).status_code == 303

    assert (await fresh.get(ME)).json()["email"] == person.email


async def test_sign_in_fails_where_the_issuer_takes_no_way_to_authenticate_that_is_known_here(
    oidc_issuer: OidcIssuer, fresh: httpx.AsyncClient
) -> None:
    oidc_issuer.auth_methods = ("tls_client_auth",)
    oidc_issuer.approving = oidc_issuer.person()

    response = await sign_in(fresh)

    assert (response.status_code, code(response)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert oidc_issuer.traffic.hits["/token"] == 0


async def test_public_client_without_secret_signs_in_where_the_issuer_takes_it(
    worker_app: Api, database: Database, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.auth_methods = ("client_secret_basic", "none")
    oidc_issuer.approving = oidc_issuer.person()
    identity, social = worlds.social(oidc_issuer)
    public = social.model_copy(update={"oidc_client_secret": SecretStr("")})
    async with worlds.application(database, identity, public) as app, client_of(app) as client:
        assert (await sign_in(client)).status_code == 303


async def test_a_proven_address_links_a_proven_account(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    local = await a_local_account(database, "both@example.com", verified=True)
    oidc_issuer.approving = oidc_issuer.person(email="Both@Example.com")

    await sign_in(browser)

    assert (await browser.get(ME)).json()["id"] == str(local.id)


async def test_a_proven_address_does_not_link_an_account_whose_own_is_not(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    await a_local_account(database, "half@example.com", verified=False)
    oidc_issuer.approving = oidc_issuer.person(email="half@example.com")

    answer = await sign_in(browser)

    assert (answer.status_code, code(answer)) == (409, "IDENTITY_CONFLICT")


async def test_a_callback_works_once(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    address = await start(browser)
    jar = httpx.Cookies(browser.cookies)
    callback = await agree(address)
    assert (await browser.get(callback)).status_code == 303
    browser.cookies = jar

    again = await browser.get(callback)
    with_another_code = await browser.get(await agree(address))

    assert (again.status_code, code(again)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert (with_another_code.status_code, code(with_another_code)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, AuthSession) == 1


async def test_two_callbacks_at_once_begin_one_session(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    callback = await agree(await start(browser))

    answers = await asyncio.gather(*(browser.get(callback) for _ in range(10)))

    assert sorted(answer.status_code for answer in answers) == [303] + [400] * 9
    assert await count(database, AuthSession) == 1
    assert oidc_issuer.traffic.hits["/token"] == 1


async def test_a_state_of_another_browser_is_refused(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    """Somebody has a victim finish what they began, so that the victim works in their account."""
    oidc_issuer.approving = oidc_issuer.person()
    callback = await agree(await start(another))
    await start(browser)

    answer = await browser.get(callback)

    assert (answer.status_code, code(answer)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, AuthSession) == 0


async def test_a_stolen_code_is_of_no_use(
    browser: httpx.AsyncClient, another: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    """With a state of one's own, the verifier is one's own as well."""
    oidc_issuer.approving = oidc_issuer.person()
    stolen = answer_of(await agree(await start(browser)))["code"]
    own = answer_of(await start(another))["state"]

    answer = await another.get(
        "/api/v1/auth/social/oidc/callback", params={"code": stolen, "state": own, "iss": oidc_issuer.url}
    )

    assert (answer.status_code, code(answer)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, User) == 0


@pytest.mark.parametrize(
    "fault",
    [
        Fault.WRONG_NONCE,
        Fault.WRONG_AUDIENCE,
        Fault.WRONG_ISSUER,
        Fault.EXPIRED,
        Fault.NOT_YET_VALID,
        Fault.ALG_NONE,
        Fault.ALG_HS256,
        Fault.UNKNOWN_KEY,
        Fault.WRONG_KEY_TYPE,
        Fault.WRONG_ISS_PARAMETER,
    ],
)
async def test_an_id_token_that_does_not_fit_is_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, fault: Fault
) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    oidc_issuer.misbehave(fault)

    answer = await sign_in(browser)

    assert (answer.status_code, code(answer)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert await count(database, User) == 0


async def test_an_issuer_that_names_itself_must_do_so(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    callback = httpx.URL(await agree(await start(browser))).copy_remove_param("iss")
    refused = await browser.get(callback)
    assert (refused.status_code, code(refused)) == (400, "SOCIAL_SIGN_IN_FAILED")


async def test_an_answer_to_one_provider_is_not_taken_for_anothers(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer
) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    callback = await agree(await start(browser, "google"))
    refused = await browser.get(callback.replace("/google/callback", "/microsoft/callback"))
    assert (refused.status_code, code(refused)) == (400, "SOCIAL_SIGN_IN_FAILED")
    assert (await browser.get(callback)).status_code == 303


async def test_a_provider_that_cannot_be_reached_is_503(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    oidc_issuer.misbehave(Fault.TOKEN_DOWN)
    answer = await sign_in(browser)
    assert (answer.status_code, code(answer)) == (503, "IDENTITY_PROVIDER_UNAVAILABLE")


async def test_who_does_not_agree_is_told_so(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.misbehave(Fault.DENY)
    answer = await sign_in(browser)
    assert (answer.status_code, code(answer)) == (400, "SOCIAL_SIGN_IN_DENIED")


async def test_browsers_get_a_page(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.approving = oidc_issuer.person(email_verified=False)
    callback = await agree(await start(browser))

    answer = await browser.get(callback, headers={"Accept": "text/html,*/*"})

    assert answer.status_code == 409
    assert "verified" in answer.text
    assert answer.headers["Content-Type"].startswith("text/html")
    assert answer.headers["Cache-Control"] == "no-store"


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
async def test_nobody_is_sent_elsewhere(browser: httpx.AsyncClient, target: str) -> None:
    answer = await browser.get("/api/v1/auth/social/oidc", params={"return_to": target})
    assert (answer.status_code, code(answer)) == (400, "RETURN_NOT_ALLOWED")


@pytest.mark.parametrize("target", ["myapp://signed-in/", "myapp://signed-in?x=1", "https://evil.example.com"])
async def test_an_app_is_only_sent_to_an_address_that_is_listed(browser: httpx.AsyncClient, target: str) -> None:
    asked = {"return_to": target, "session": "bearer", "code_challenge": "x" * 43}
    refused = await browser.get("/api/v1/auth/social/oidc", params=asked)
    assert (refused.status_code, code(refused)) == (400, "RETURN_NOT_ALLOWED")


def pkce() -> tuple[str, str]:
    verifier = secrets.token_urlsafe(48)
    return verifier, urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


async def a_code(browser: httpx.AsyncClient, challenge: str) -> str:
    asked = {"return_to": "myapp://signed-in", "session": "bearer", "code_challenge": challenge}
    answer = await sign_in(browser, **asked)
    assert answer.headers["Location"].startswith("myapp://signed-in?code=")
    return answer_of(answer.headers["Location"])["code"]


async def exchanged(browser: httpx.AsyncClient, given: str, verifier: str) -> httpx.Response:
    body = {"code": given, "code_verifier": verifier}
    return await browser.post("/api/v1/auth/social/exchange", json=body)


async def test_an_app_exchanges_a_code_once_for_tokens(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.approving = person = oidc_issuer.person()
    verifier, challenge = pkce()
    given = await a_code(browser, challenge)

    answers = await asyncio.gather(*(exchanged(browser, given, verifier) for _ in range(5)))

    assert sorted(answer.status_code for answer in answers) == [200, 400, 400, 400, 400]
    pair = next(answer.json() for answer in answers if answer.status_code == 200)
    me = await browser.get(ME, headers={"Authorization": f"Bearer {pair['access_token']}"})
    assert me.json()["email"] == person.email
    assert "set-cookie" not in answers[0].headers


async def test_a_code_without_its_verifier_is_spent(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    oidc_issuer.approving = oidc_issuer.person()
    verifier, challenge = pkce()
    given = await a_code(browser, challenge)

    stolen = await exchanged(browser, given, pkce()[0])
    right = await exchanged(browser, given, verifier)

    assert (stolen.status_code, code(stolen)) == (400, "INVALID_CODE")
    assert (right.status_code, code(right)) == (400, "INVALID_CODE")


async def test_an_app_must_bring_a_challenge(browser: httpx.AsyncClient) -> None:
    answer = await browser.get("/api/v1/auth/social/oidc", params={"session": "bearer"})
    assert (answer.status_code, code(answer)) == (422, "CHALLENGE_MISSING")


async def test_apple_posts_its_answer_from_its_own_site(browser: httpx.AsyncClient, oidc_issuer: OidcIssuer) -> None:
    """The post comes without our cookies; the redirect after it comes with them."""
    oidc_issuer.approving = person = oidc_issuer.person(name="")
    fields = answer_of(await agree(await start(browser, "apple")))
    fields["user"] = '{"name": {"firstName": "Ada", "lastName": "Lovelace"}}'
    oidc_issuer.approving = person
    posted = await browser.post(
        "/api/v1/auth/social/apple/callback",
        data=fields,
        headers={"Origin": "https://appleid.apple.com", "Sec-Fetch-Site": "cross-site", "Cookie": ""},
    )

    assert posted.status_code == 303
    assert (await browser.get(posted.headers["Location"])).status_code == 303
    assert (await browser.get(ME)).json()["full_name"] == "Ada Lovelace"


async def test_a_deactivated_account_does_not_come_in(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database
) -> None:
    local = await a_local_account(database, "out@example.com", verified=True)
    oidc_issuer.approving = oidc_issuer.person(email="out@example.com")
    async with database.session() as session:
        from undercroft.modules.users import UserRepository

        await UserRepository(session).update(await UserRepository(session).lock(local.id), {"is_active": False})

    answer = await sign_in(browser)

    assert (answer.status_code, code(answer)) == (401, "ACCOUNT_INACTIVE")


@pytest.mark.parametrize("cookie", ["", "x", "é", "A" * 5000])
async def test_a_cookie_that_is_none_of_ours_is_refused(browser: httpx.AsyncClient, cookie: str) -> None:
    state = answer_of(await start(browser))["state"]
    name = next(name for name in browser.cookies)
    browser.cookies.clear()
    answer = await browser.get(
        "/api/v1/auth/social/oidc/callback",
        params={"state": state, "code": "x"},
        headers=[("Cookie", f"{name}={cookie}".encode())],
    )
    assert (answer.status_code, code(answer)) == (400, "SOCIAL_SIGN_IN_FAILED")


async def test_a_mailbox_that_is_thrown_away_makes_no_account_where_those_are_refused(
    browser: httpx.AsyncClient, oidc_issuer: OidcIssuer, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = DisposableMailSettings(disposable_mail="refuse", disposable_mail_domains=("thrown.example.com",))
    monkeypatch.setitem(settings._loaded, DisposableMailSettings, refused)
    await a_local_account(database, "known@thrown.example.com", verified=True)
    oidc_issuer.approving = oidc_issuer.person(email="new@thrown.example.com")
    answer = await sign_in(browser)
    oidc_issuer.approving = oidc_issuer.person(email="known@thrown.example.com")

    assert (answer.status_code, code(answer)) == (422, "DISPOSABLE_EMAIL")
    assert (await sign_in(browser)).status_code == 303
    assert await count(database, User) == 1
