"""If a captcha is configured, every public sign-in and registration endpoint requires it."""

from collections.abc import AsyncIterator

import httpx2 as httpx
import pytest
import pytest_asyncio

from tests.modules.auth.users import PASSWORD, RegisteredUser, error_code, make_client, new_email, post
from tests.modules.identities.fixtures import application
from tests.providers.captcha.emulator import SECRET, SITE_KEY, CaptchaEmulator, Failure
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.modules.auth.settings import AuthSettings
from undercroft.providers.captcha import CaptchaSettings

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
FIELD = "cf-turnstile-response"


@pytest_asyncio.fixture(loop_scope="session")
async def service() -> AsyncIterator[CaptchaEmulator]:
    emulator = CaptchaEmulator()
    await emulator.start()
    yield emulator
    await emulator.stop()


def captcha_settings(service: CaptchaEmulator, **settings: object) -> CaptchaSettings:
    return CaptchaSettings.model_validate(
        {
            "captcha_provider": "turnstile",
            "captcha_site_key": SITE_KEY,
            "captcha_secret": SECRET,
            "captcha_verify_url": f"{service.server.url}/siteverify",
            **settings,
        }
    )


@pytest_asyncio.fixture(loop_scope="session")
async def guarded_app(app: Api, database: Database, service: CaptchaEmulator) -> AsyncIterator[Api]:
    async with application(database, captcha_settings(service), AuthSettings(magic_links=True)) as guarded_app:
        yield guarded_app


@pytest_asyncio.fixture(loop_scope="session")
async def guarded(guarded_app: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with make_client(guarded_app) as client:
        yield client


API = [
    ("/register", {"email": "new@example.com", "password": PASSWORD}, 202),
    ("/login", {"email": "nobody@example.com", "password": PASSWORD}, 401),
    ("/password/forgot", {"email": "nobody@example.com"}, 202),
    ("/verify-email/resend", {"email": "nobody@example.com"}, 202),
    ("/magic-link", {"email": "nobody@example.com"}, 202),
]


@pytest.mark.parametrize(("path", "body", "status"), API, ids=[each[0] for each in API])
async def test_api_requires_a_solved_captcha(
    guarded: httpx.AsyncClient, service: CaptchaEmulator, path: str, body: dict[str, str], status: int
) -> None:
    missing = await post(guarded, path, body)
    assert (missing.status_code, error_code(missing)) == (422, "CAPTCHA_REQUIRED")
    assert missing.json()["error"]["details"] == {"provider": "turnstile", "site_key": SITE_KEY}
    failed = await post(guarded, path, {**body, "captcha_token": "guess"})
    assert (failed.status_code, error_code(failed)) == (422, "CAPTCHA_FAILED")
    token = service.solve()
    assert (await post(guarded, path, {**body, "captcha_token": token})).status_code == status
    assert error_code(await post(guarded, path, {**body, "captcha_token": token})) == "CAPTCHA_FAILED"


@pytest.mark.requires_module("web")
@pytest.mark.parametrize(("policy", "status"), [("refuse", 503), ("allow", 200)])
async def test_sign_in_while_the_captcha_service_is_down_follows_the_setting(
    app: Api, database: Database, ada: RegisteredUser, service: CaptchaEmulator, policy: str, status: int
) -> None:
    service.failure = Failure.DOWN
    body = {"email": ada.email, "password": PASSWORD}
    async with (
        application(database, captcha_settings(service, captcha_when_down=policy)) as guarded_app,
        make_client(guarded_app) as client,
    ):
        response = await post(client, "/login", {**body, "captcha_token": "any"})
        assert response.status_code == status
        if status == 503:
            assert error_code(response) == "CAPTCHA_UNAVAILABLE"
        page = await client.post("/sign-in", data={**body, FIELD: "any"}, headers=BROWSER)
        assert ("set-cookie" in page.headers) == (policy == "allow")


async def test_oauth2_token_endpoint_requires_a_captcha(
    guarded: httpx.AsyncClient, ada: RegisteredUser, service: CaptchaEmulator
) -> None:
    form = {"username": ada.email, "password": PASSWORD}
    response = await guarded.post("/api/v1/auth/token", data=form)
    assert (response.status_code, error_code(response)) == (422, "CAPTCHA_REQUIRED")
    solved = await guarded.post("/api/v1/auth/token", data={**form, "captcha_token": service.solve()})
    assert solved.status_code == 200


async def test_correct_password_without_captcha_is_rejected(guarded: httpx.AsyncClient, ada: RegisteredUser) -> None:
    response = await post(guarded, "/login", {"email": ada.email, "password": PASSWORD, "session": "cookie"})
    assert response.status_code == 422
    assert "set-cookie" not in response.headers


ADMIN_PAGE = pytest.param("/admin/login", marks=pytest.mark.requires_module("admin"))


@pytest.mark.requires_module("web")
@pytest.mark.parametrize("path", ["/sign-in", "/register", "/sign-in/link", "/reset-password", ADMIN_PAGE])
async def test_forms_require_a_captcha(
    guarded: httpx.AsyncClient, ada: RegisteredUser, service: CaptchaEmulator, path: str
) -> None:
    form = {"email": ada.email, "password": PASSWORD}
    for more in ({}, {FIELD: "guess"}, {"captcha_token": "guess"}):
        response = await guarded.post(path, data={**form, **more}, headers=BROWSER)
        assert response.status_code == 422, (path, more)
        assert "set-cookie" not in response.headers
    solved = await guarded.post(path, data={**form, FIELD: service.solve()}, headers=BROWSER)
    assert solved.status_code in (200, 303), solved.text


@pytest.mark.requires_module("web")
@pytest.mark.parametrize("path", ["/sign-in", "/register", "/reset-password", ADMIN_PAGE])
async def test_page_shows_the_captcha_and_allows_only_scripts_of_its_provider(
    guarded: httpx.AsyncClient, path: str
) -> None:
    response = await guarded.get(path, headers=BROWSER)
    assert f'data-sitekey="{SITE_KEY}"' in response.text
    assert "script-src https://challenges.cloudflare.com;" in response.headers["content-security-policy"] + ";"
    assert "unsafe" not in response.headers["content-security-policy"]


@pytest.mark.requires_module("web")
async def test_no_captcha_is_required_when_none_is_configured(http: httpx.AsyncClient) -> None:
    page = await http.get("/sign-in", headers=BROWSER)
    assert "<script" not in page.text
    assert (await post(http, "/register", {"email": new_email(), "password": PASSWORD})).status_code == 202
