"""The second step on a page."""

from collections.abc import Iterator

import httpx
import pytest

from tests.modules.auth.people import PASSWORD, Mailbox, post
from tests.modules.forms import hidden
from tests.modules.mfa.conftest import Clock, Guarded
from undercroft.core.settings import use
from undercroft.modules.auth.settings import AuthSettings

BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
STEP = "/sign-in/second-step"


@pytest.fixture
def links() -> Iterator[None]:
    use(AuthSettings(magic_links=True))
    yield
    use(AuthSettings())


async def begin(guarded: Guarded, **more: str) -> httpx.Response:
    data = {"email": guarded.person.email, "password": PASSWORD, **more}
    return await guarded.person.http.post("/sign-in", data=data, headers=BROWSER)


async def go_on(guarded: Guarded, page: httpx.Response, **factor: str) -> httpx.Response:
    return await guarded.person.http.post(STEP, data={**hidden(page), **factor}, headers=BROWSER)


async def test_a_code_of_the_app_is_asked_for_and_lets_in(guarded: Guarded, clock: Clock) -> None:
    clock.next_step()
    page = await begin(guarded, next="/docs")
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert page.headers["cache-control"] == "no-store"
    wrong = await go_on(guarded, page, code=guarded.app.wrong())
    assert (wrong.status_code, 'role="alert"' in wrong.text) == (401, True)
    assert "set-cookie" not in wrong.headers
    code = guarded.app.code()
    done = await go_on(guarded, wrong, code=f"{code[:3]} {code[3:]}")
    assert (done.status_code, done.headers["location"]) == (303, "/docs")
    assert (await guarded.person.http.get("/api/v1/app/users/me")).status_code == 200


async def test_a_recovery_code_lets_in_once(guarded: Guarded) -> None:
    code = guarded.recovery_codes[0]
    assert (await go_on(guarded, await begin(guarded), recovery_code=code)).status_code == 303
    assert (await go_on(guarded, await begin(guarded), recovery_code=code)).status_code == 401


@pytest.mark.parametrize("factor", [{}, {"code": "abc"}, {"code": "12345678"}, {"recovery_code": " "}, {"code": "\0"}])
async def test_what_is_no_code_is_refused(guarded: Guarded, factor: dict[str, str]) -> None:
    answer = await go_on(guarded, await begin(guarded), **factor)
    assert answer.status_code in (401, 422)
    assert "set-cookie" not in answer.headers


async def test_what_a_program_began_is_not_finished_on_a_page(guarded: Guarded) -> None:
    begun = await post(guarded.person.http, "/login", {"email": guarded.person.email, "password": PASSWORD})
    proof = {"mfa_token": begun.json()["error"]["details"]["mfa_token"], "recovery_code": guarded.recovery_codes[0]}
    refused = await guarded.person.http.post(STEP, data=proof, headers=BROWSER)
    assert (refused.status_code, "set-cookie" in refused.headers) == (401, False)
    assert (await post(guarded.person.http, "/mfa/verify", proof)).status_code == 200


async def test_after_too_many_wrong_codes_signing_in_begins_anew(guarded: Guarded, clock: Clock) -> None:
    clock.next_step()
    page = await begin(guarded)
    for _ in range(5):
        await go_on(guarded, page, code=guarded.app.wrong())
    last = await go_on(guarded, page, code=guarded.app.code())
    assert last.status_code in (401, 429)
    assert "set-cookie" not in last.headers


async def test_without_the_first_step_there_is_nothing(guarded: Guarded, clock: Clock) -> None:
    clock.next_step()
    http = guarded.person.http
    data = {"mfa_token": "guess", "code": guarded.app.code()}
    answer = await http.post(STEP, data=data, headers=BROWSER)
    assert (answer.status_code, 'name="password"' in answer.text) == (401, True)
    assert (await http.get(STEP, headers=BROWSER)).headers["location"] == "/sign-in"
    assert (await http.post(STEP, data=data, headers={"Sec-Fetch-Site": "cross-site"})).status_code == 403


async def test_a_mailed_link_is_the_first_step_only(
    guarded: Guarded, clock: Clock, mailbox: Mailbox, links: None
) -> None:
    clock.next_step()
    http, email = guarded.person.http, guarded.person.email
    await mailbox.arrived(email)
    await http.post("/sign-in/link", data={"email": email}, headers=BROWSER)
    token = (await mailbox.latest(email)).token
    page = await http.post("/magic-link", data={"token": token}, headers=BROWSER)
    assert "set-cookie" not in page.headers
    assert (await http.get("/api/v1/app/users/me")).status_code == 401
    assert (await go_on(guarded, page, code=guarded.app.code())).status_code == 303
    assert (await http.get("/api/v1/app/users/me")).status_code == 200
