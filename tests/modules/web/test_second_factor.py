"""The second factor page."""

import httpx2 as httpx
import pytest

from tests.modules.auth.users import PASSWORD, Mailbox, post
from tests.modules.forms import hidden_fields
from tests.modules.mfa.conftest import Clock, MfaUser
from undercroft.core.settings import use
from undercroft.modules.auth.settings import AuthSettings

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
SECOND_FACTOR_PATH = "/sign-in/second-factor"


@pytest.fixture
def magic_links_enabled() -> None:
    use(AuthSettings(magic_links=True))


async def start_sign_in(mfa_user: MfaUser, **more: str) -> httpx.Response:
    data = {"email": mfa_user.user.email, "password": PASSWORD, **more}
    return await mfa_user.user.http.post("/sign-in", data=data, headers=BROWSER)


async def submit_factor(mfa_user: MfaUser, page: httpx.Response, **factor: str) -> httpx.Response:
    return await mfa_user.user.http.post(SECOND_FACTOR_PATH, data={**hidden_fields(page), **factor}, headers=BROWSER)


async def test_totp_code_completes_the_sign_in(mfa_user: MfaUser, clock: Clock) -> None:
    clock.next_step()
    page = await start_sign_in(mfa_user, next="/docs")
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert page.headers["cache-control"] == "no-store"
    wrong = await submit_factor(mfa_user, page, code=mfa_user.app.wrong())
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (401, True)
    assert "set-cookie" not in wrong.headers
    code = mfa_user.app.code()
    done = await submit_factor(mfa_user, wrong, code=f"{code[:3]} {code[3:]}")
    assert (done.status_code, done.headers["location"]) == (303, "/docs")
    assert (await mfa_user.user.http.get("/api/v1/app/users/me")).status_code == 200


async def test_recovery_code_completes_the_sign_in_once(mfa_user: MfaUser) -> None:
    code = mfa_user.recovery_codes[0]
    assert (await submit_factor(mfa_user, await start_sign_in(mfa_user), recovery_code=code)).status_code == 303
    assert (await submit_factor(mfa_user, await start_sign_in(mfa_user), recovery_code=code)).status_code == 401


@pytest.mark.parametrize("factor", [{}, {"code": "abc"}, {"code": "12345678"}, {"recovery_code": " "}, {"code": "\0"}])
async def test_malformed_code_is_rejected(mfa_user: MfaUser, factor: dict[str, str]) -> None:
    response = await submit_factor(mfa_user, await start_sign_in(mfa_user), **factor)
    assert response.status_code in (401, 422)
    assert "set-cookie" not in response.headers


async def test_sign_in_started_by_the_api_cannot_be_completed_on_the_page(mfa_user: MfaUser) -> None:
    pending = await post(mfa_user.user.http, "/login", {"email": mfa_user.user.email, "password": PASSWORD})
    proof = {"mfa_token": pending.json()["error"]["details"]["mfa_token"], "recovery_code": mfa_user.recovery_codes[0]}
    refused = await mfa_user.user.http.post(SECOND_FACTOR_PATH, data=proof, headers=BROWSER)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert (await post(mfa_user.user.http, "/mfa/verify", proof)).status_code == 200


async def test_pending_sign_in_is_rejected_after_too_many_wrong_codes(mfa_user: MfaUser, clock: Clock) -> None:
    clock.next_step()
    page = await start_sign_in(mfa_user)
    for _ in range(5):
        await submit_factor(mfa_user, page, code=mfa_user.app.wrong())
    last = await submit_factor(mfa_user, page, code=mfa_user.app.code())
    assert last.status_code in (401, 429)
    assert "set-cookie" not in last.headers


async def test_second_factor_page_requires_a_pending_sign_in(mfa_user: MfaUser, clock: Clock) -> None:
    clock.next_step()
    http = mfa_user.user.http
    data = {"mfa_token": "guess", "code": mfa_user.app.code()}
    response = await http.post(SECOND_FACTOR_PATH, data=data, headers=BROWSER)
    assert (response.status_code, 'name="password"' in response.text) == (401, True)
    assert (await http.get(SECOND_FACTOR_PATH, headers=BROWSER)).headers["location"] == "/sign-in"
    assert (await http.post(SECOND_FACTOR_PATH, data=data, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403


async def test_magic_link_requires_the_second_factor_on_the_page(
    mfa_user: MfaUser, clock: Clock, mailbox: Mailbox, magic_links_enabled: None
) -> None:
    clock.next_step()
    http, email = mfa_user.user.http, mfa_user.user.email
    await mailbox.list_new(email)
    await http.post("/sign-in/link", data={"email": email}, headers=BROWSER)
    token = (await mailbox.latest(email)).token
    page = await http.post("/magic-link", data={"token": token}, headers=BROWSER)
    assert "set-cookie" not in page.headers
    assert (await http.get("/api/v1/app/users/me")).status_code == 401
    assert (await submit_factor(mfa_user, page, code=mfa_user.app.code())).status_code == 303
    assert (await http.get("/api/v1/app/users/me")).status_code == 200
