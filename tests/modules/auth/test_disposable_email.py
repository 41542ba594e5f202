"""Rejection of disposable email addresses."""

import httpx2 as httpx
import pytest

from tests.enabled import is_enabled
from tests.modules.auth.users import PASSWORD, RegisteredUser, error_code, post
from undercroft.core.settings import use
from undercroft.modules.auth.settings import DisposableMailSettings

DISPOSABLE = [
    "a@mailinator.com",
    "A@Mailinator.COM",
    "a@deep.below.mailinator.com",
    "a@own.example",
    "a@x.own.example",
]
BROWSER = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}


@pytest.fixture
def refuse_disposable() -> None:
    use(
        DisposableMailSettings(
            disposable_mail="refuse",
            disposable_mail_domains=("own.example",),
            disposable_mail_allowed=("guerrillamail.com",),
        )
    )


@pytest.mark.parametrize("email", DISPOSABLE)
async def test_disposable_addresses_are_rejected_when_configured(
    http: httpx.AsyncClient, refuse_disposable: None, email: str
) -> None:
    response = await post(http, "/register", {"email": email, "password": PASSWORD})
    assert (response.status_code, error_code(response)) == (422, "DISPOSABLE_EMAIL")
    assert response.json()["error"]["details"] == {"domain": email.lower().partition("@")[2]}
    if is_enabled("web"):
        page = await http.post("/register", data={"email": email, "password": PASSWORD}, headers=BROWSER)
        assert page.status_code == 422


@pytest.mark.parametrize("email", ["a@example.com", "a@notown.example", "a@guerrillamail.com", "a@example.example"])
async def test_other_addresses_are_accepted(http: httpx.AsyncClient, refuse_disposable: None, email: str) -> None:
    assert (await post(http, "/register", {"email": email, "password": PASSWORD})).status_code == 202


async def test_email_change_to_a_disposable_address_is_rejected(ada: RegisteredUser, refuse_disposable: None) -> None:
    body = {"new_email": "a@mailinator.com", "current_password": PASSWORD}
    response = await ada.send("POST", "/auth/email/change", body)
    assert (response.status_code, error_code(response)) == (422, "DISPOSABLE_EMAIL")


async def test_disposable_addresses_are_accepted_by_default(http: httpx.AsyncClient) -> None:
    assert (await post(http, "/register", {"email": DISPOSABLE[0], "password": PASSWORD})).status_code == 202
