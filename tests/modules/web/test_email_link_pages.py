"""The pages that emailed links open."""

import re

import httpx2 as httpx
import pytest

from tests.modules.auth.users import PASSWORD, Mailbox, RegisteredUser, new_email, post, register, sign_in
from tests.modules.forms import follow_redirect
from undercroft.testing.statements import StatementRecorder

NEW_PASSWORD = "four otters on the shore"
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin", "Origin": "null"}


def hidden_token(page: httpx.Response) -> str:
    match = re.search(r'name="token" value="([^"]*)"', page.text)
    assert match
    return match[1]


@pytest.mark.parametrize("path", ["/verify-email", "/reset-password", "/confirm-email"])
async def test_link_pages_run_no_statement_and_are_not_cached(
    http: httpx.AsyncClient, statements: StatementRecorder, path: str
) -> None:
    response = await http.get(path, params={"token": "a-token<script>"}, headers=BROWSER)
    assert response.status_code == 200
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["cache-control"] == "no-store"
    assert "script" not in response.headers["content-security-policy"]
    assert "a-token&lt;script&gt;" in response.text
    assert "<script" not in response.text
    assert statements.count == 0


async def test_verification_page_verifies_on_post_only(http: httpx.AsyncClient, mailbox: Mailbox) -> None:
    email = new_email()
    await register(http, email)
    token = (await mailbox.latest(email)).token
    for _ in range(3):
        page = await http.get("/verify-email", params={"token": token}, headers=BROWSER)
    assert (await sign_in(http, email)).status_code == 401
    done = await http.post("/verify-email", data={"token": hidden_token(page)}, headers=BROWSER)
    assert "Email confirmed" in (await follow_redirect(http, done)).text
    assert (await sign_in(http, email)).status_code == 200
    again = await http.post("/verify-email", data={"token": token}, headers=BROWSER)
    assert again.status_code == 400
    assert "Email already confirmed" in again.text
    assert 'href="/sign-in"' in again.text
    assert "resend" not in again.text
    assert again.headers["referrer-policy"] == "no-referrer"


async def test_password_is_reset_on_the_page(http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox) -> None:
    await mailbox.list_new()
    known = await http.post("/reset-password", data={"email": ada.email.upper()}, headers=BROWSER)
    unknown = await http.post("/reset-password", data={"email": new_email()}, headers=BROWSER)
    nonsense = await http.post("/reset-password", data={"email": "no address"}, headers=BROWSER)
    sent = [(await follow_redirect(http, each)).text for each in (known, unknown, nonsense)]
    assert sent[0] == sent[1] == sent[2]
    assert 'href="/reset-password"' in sent[0]
    token = (await mailbox.latest(ada.email)).token
    weak = await http.post("/reset-password", data={"token": token, "password": "password123"}, headers=BROWSER)
    assert weak.status_code == 422
    assert "password123" not in weak.text
    assert 'aria-describedby="password-error password-hint"' in weak.text
    data = {"token": hidden_token(weak), "password": NEW_PASSWORD}
    changed = await follow_redirect(http, await http.post("/reset-password", data=data, headers=BROWSER))
    assert "Password changed" in changed.text
    assert 'href="/sign-in"' in changed.text
    used = await http.post("/reset-password", data=data, headers=BROWSER)
    assert used.status_code == 400
    assert 'href="/reset-password"' in used.text
    assert (await sign_in(http, ada.email, NEW_PASSWORD)).status_code == 200
    assert (await sign_in(http, ada.email, PASSWORD)).status_code == 401


async def test_email_change_is_confirmed_on_the_page(
    http: httpx.AsyncClient, ada: RegisteredUser, mailbox: Mailbox
) -> None:
    to = new_email()
    await ada.send("POST", "/auth/email/change", {"new_email": to, "current_password": PASSWORD})
    token = (await mailbox.latest(to)).token
    changed = await follow_redirect(http, await http.post("/confirm-email", data={"token": token}, headers=BROWSER))
    assert "Email address changed" in changed.text
    assert (await ada.get("/app/users/me")).json()["email"] == to


@pytest.mark.parametrize(
    "headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}, {"Sec-Fetch-Site": "same-site"}]
)
async def test_cross_site_posts_to_link_pages_are_rejected(
    http: httpx.AsyncClient, mailbox: Mailbox, headers: dict[str, str]
) -> None:
    email = new_email()
    await register(http, email)
    token = (await mailbox.latest(email)).token
    for path in ("/verify-email", "/reset-password", "/confirm-email"):
        response = await http.post(path, data={"token": token, "password": NEW_PASSWORD}, headers=headers)
        assert response.status_code == 403
    assert (await post(http, "/verify-email", {"token": token})).status_code == 200


async def test_link_pages_report_a_missing_token(http: httpx.AsyncClient) -> None:
    assert "incomplete" in (await http.get("/verify-email")).text
    assert (await http.post("/verify-email", data={})).status_code == 400
    assert "Send link" in (await http.get("/reset-password")).text
    assert (await http.post("/confirm-email", data={"token": "x" * 600})).status_code == 422
