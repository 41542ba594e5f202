"""Passkeys for sign-in and as the second factor, and invalid WebAuthn responses."""

import asyncio
from typing import Any

import httpx2 as httpx
import pytest
from sqlalchemy import select
from sqlmodel import col

from tests.modules.auth.users import (
    Mailbox,
    RegisteredUser,
    create_registered_user,
    error_code,
    make_client,
    post,
    sign_in,
)
from tests.modules.mfa.conftest import Clock, MfaUser, add_passkey, enable_totp
from undercroft.core.db import Database
from undercroft.core.http.application import Api
from undercroft.core.settings import CoreSettings, load, use
from undercroft.modules.mfa.models import Passkey
from undercroft.modules.mfa.service.factors import MAX_PASSKEYS
from undercroft.modules.mfa.settings import MfaSettings
from undercroft.testing.authenticator import Authenticator
from undercroft.testing.configuration import PUBLIC_URL


async def sign_in_options(http: httpx.AsyncClient) -> dict[str, Any]:
    response = await post(http, "/passkeys/sign-in/options", None)
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.json()["options"]
    return options


async def with_passkey(http: httpx.AsyncClient, key: Authenticator, **more: Any) -> httpx.Response:
    return await post(http, "/passkeys/sign-in", {"passkey": key.sign(await sign_in_options(http)), **more})


async def submit_second_factor(http: httpx.AsyncClient, email: str, key: Authenticator) -> httpx.Response:
    challenge = (await sign_in(http, email)).json()["error"]["details"]
    options = (await post(http, "/mfa/verify/options", {"mfa_token": challenge["mfa_token"]})).json()["options"]
    return await post(http, "/mfa/verify", {"mfa_token": challenge["mfa_token"], "passkey": key.sign(options)})


async def test_passkey_turns_mfa_on_and_signs_in_without_a_password(
    ada: RegisteredUser, key: Authenticator, mailbox: Mailbox
) -> None:
    await mailbox.list_new()
    added = await add_passkey(ada, key, "Blue key")
    assert added.status_code == 201, added.text
    assert len(added.json()["recovery_codes"]) == 10
    mail = await mailbox.latest(ada.email)
    assert "Blue key" in mail.text
    assert "Two-factor authentication is now on" in mail.text
    challenge = await sign_in(ada.http, ada.email)
    assert challenge.json()["error"]["details"]["methods"] == ["passkey", "recovery_code"]
    response = await with_passkey(ada.http, key)
    assert response.status_code == 200, response.text
    own = await ada.http.get(
        "/api/v1/app/users/me", headers={"Authorization": f"Bearer {response.json()['access_token']}"}
    )
    assert own.json()["email"] == ada.email


async def test_passkey_is_accepted_as_the_second_factor(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    assert (await submit_second_factor(ada.http, ada.email, key)).status_code == 200


async def test_passkey_sign_in_sets_a_cookie_and_refuses_cross_site_requests(
    ada: RegisteredUser, key: Authenticator, app: Api
) -> None:
    await add_passkey(ada, key)
    async with make_client(app) as browser:
        response = await with_passkey(browser, key, session="cookie")
        assert response.json()["csrf_token"]
        assert response.json()["access_token"] is None
        assert (await browser.get("/api/v1/app/users/me")).status_code == 200
        browser.headers["Origin"] = "https://evil.example"
        assert error_code(await with_passkey(browser, key, session="cookie")) == "CSRF_FAILED"


async def test_options_contain_the_domain_and_known_credentials(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    assert options["rp"] == {"name": "Undercroft", "id": "test.local"}
    assert options["user"]["name"] == ada.email
    assert len(options["excludeCredentials"]) == 1
    assert options["attestation"] == "none"
    anonymous = await sign_in_options(ada.http)
    assert anonymous["userVerification"] == "required"
    assert anonymous["allowCredentials"] == []


async def test_second_passkey_returns_no_recovery_codes(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    assert (await add_passkey(ada, Authenticator(PUBLIC_URL))).json()["recovery_codes"] is None


@pytest.mark.parametrize("use_key", [with_passkey, None])
async def test_signature_counter_that_does_not_increase_is_refused(
    ada: RegisteredUser, key: Authenticator, use_key: Any
) -> None:
    await add_passkey(ada, key)
    attempt = use_key or (lambda http, key: submit_second_factor(http, ada.email, key))
    key.credentials[0].count = 10
    assert (await attempt(ada.http, key)).status_code == 200
    for count in (10, 5, 0):
        key.credentials[0].count = count - 1 if count else 0
        key.step = 1 if count else 0
        response = await attempt(ada.http, key)
        assert (response.status_code, error_code(response)) in ((401, "INVALID_PASSKEY"), (401, "INVALID_CODE"))
    key.credentials[0].count, key.step = 11, 1
    assert (await attempt(ada.http, key)).status_code == 200


async def test_authenticator_without_a_counter_is_accepted(ada: RegisteredUser) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(ada, key)
    for _ in range(3):
        assert (await with_passkey(ada.http, key)).status_code == 200


async def test_one_of_many_signatures_with_the_same_count_is_accepted(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    bodies = []
    for _ in range(5):
        bodies.append({"passkey": key.sign(await sign_in_options(ada.http))})
        key.credentials[0].count -= 1
    responses = await asyncio.gather(*(post(ada.http, "/passkeys/sign-in", body) for body in bodies))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 4


async def test_challenge_works_once(ada: RegisteredUser) -> None:
    key = Authenticator(PUBLIC_URL, step=0)
    await add_passkey(ada, key)
    body = {"passkey": key.sign(await sign_in_options(ada.http))}
    responses = await asyncio.gather(*(post(ada.http, "/passkeys/sign-in", body) for _ in range(5)))
    assert sorted(response.status_code for response in responses) == [200] + [401] * 4


async def test_wrong_response_uses_the_challenge(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    options = await sign_in_options(ada.http)
    wrong = key.sign(options, origin="https://evil.example")
    for passkey in (wrong, key.sign(options)):
        refused = await post(ada.http, "/passkeys/sign-in", {"passkey": passkey})
        assert (refused.status_code, error_code(refused)) == (401, "INVALID_PASSKEY")


async def test_challenge_is_bound_to_its_purpose_and_session(
    ada: RegisteredUser, key: Authenticator, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await add_passkey(ada, key)
    stepping_up = (await ada.send("POST", "/auth/step-up/options")).json()["options"]
    response = await post(http, "/passkeys/sign-in", {"passkey": key.sign(stepping_up)})
    assert (response.status_code, error_code(response)) == (401, "INVALID_PASSKEY")
    anonymous = key.sign(await sign_in_options(http))
    assert error_code(await ada.send("POST", "/auth/step-up", {"passkey": anonymous})) == "WRONG_CODE"
    other = await ada_again(ada, key)
    other_options = (await other.send("POST", "/auth/step-up/options")).json()["options"]
    assert error_code(await ada.send("POST", "/auth/step-up", {"passkey": key.sign(other_options)})) == "WRONG_CODE"


async def ada_again(ada: RegisteredUser, key: Authenticator) -> RegisteredUser:
    tokens = (await with_passkey(ada.http, key)).json()
    return RegisteredUser(ada.http, ada.email, ada.password, tokens["access_token"], tokens["refresh_token"])


@pytest.mark.parametrize(
    "reported",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://test.local.evil.example"},
        {"type": "webauthn.create"},
        {"challenge": "bm90IGFza2VkIGZvcg"},
        {"challenge": 7},
        {"challenge": "%%%"},
        {"crossOrigin": True},
        {"crossOrigin": True, "topOrigin": "https://evil.example"},
    ],
)
async def test_assertion_with_wrong_client_data_is_refused(
    ada: RegisteredUser, key: Authenticator, reported: dict[str, Any]
) -> None:
    await add_passkey(ada, key)
    passkey = key.sign(await sign_in_options(ada.http), **reported)
    response = await post(ada.http, "/passkeys/sign-in", {"passkey": passkey})
    assert (response.status_code, error_code(response)) == (401, "INVALID_PASSKEY")


async def test_a_passkey_of_another_domain_is_refused(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    key.credentials[0].domain = "evil.example"
    assert error_code(await with_passkey(ada.http, key)) == "INVALID_PASSKEY"
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    options["rp"]["id"] = "evil.example"
    refused = await ada.send("POST", "/auth/passkeys", {"credential": Authenticator(PUBLIC_URL).create(options)})
    assert (refused.status_code, error_code(refused)) == (400, "PASSKEY_REFUSED")


async def test_passkey_sign_in_requires_user_verification(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    key.user_verification = False
    assert error_code(await with_passkey(ada.http, key)) == "INVALID_PASSKEY"
    assert (await submit_second_factor(ada.http, ada.email, key)).status_code == 200


async def test_an_unknown_passkey_and_a_forged_signature_are_refused(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    unknown = Authenticator(PUBLIC_URL)
    unknown.create((await ada.send("POST", "/auth/passkeys/options")).json()["options"])
    assert error_code(await with_passkey(ada.http, unknown)) == "INVALID_PASSKEY"
    unknown.credentials[0].id = key.credentials[0].id
    assert error_code(await with_passkey(ada.http, unknown)) == "INVALID_PASSKEY"


async def test_passkey_of_another_user_is_refused_as_the_second_factor(
    ada: RegisteredUser, key: Authenticator, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    await add_passkey(ada, key)
    eve, eves_key = await create_registered_user(http, mailbox), Authenticator(PUBLIC_URL)
    await add_passkey(eve, eves_key)
    challenge = (await sign_in(http, ada.email)).json()["error"]["details"]
    options = (await post(http, "/mfa/verify/options", {"mfa_token": challenge["mfa_token"]})).json()["options"]
    options["allowCredentials"] = []
    body = {"mfa_token": challenge["mfa_token"], "passkey": eves_key.sign(options)}
    response = await post(http, "/mfa/verify", body)
    assert (response.status_code, error_code(response)) == (401, "INVALID_CODE")


async def test_wrong_user_handle_is_refused(ada: RegisteredUser, key: Authenticator) -> None:
    await add_passkey(ada, key)
    key.credentials[0].user_handle = b"another user...."
    assert error_code(await with_passkey(ada.http, key)) == "INVALID_PASSKEY"


async def test_registration_challenge_is_bound_to_its_user(
    ada: RegisteredUser, key: Authenticator, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    eve = await create_registered_user(http, mailbox)
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    refused = await eve.send("POST", "/auth/passkeys", {"credential": key.create(options)})
    assert (refused.status_code, error_code(refused)) == (400, "PASSKEY_REFUSED")


async def test_registration_in_a_cross_origin_frame_is_refused(ada: RegisteredUser, key: Authenticator) -> None:
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    made = key.create(options, crossOrigin=True, topOrigin="https://evil.example")
    refused = await ada.send("POST", "/auth/passkeys", {"credential": made})
    assert (refused.status_code, error_code(refused)) == (400, "PASSKEY_REFUSED")


async def test_registration_works_once_and_credential_ids_are_unique(
    ada: RegisteredUser, key: Authenticator, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    options = (await ada.send("POST", "/auth/passkeys/options")).json()["options"]
    body = {"credential": key.create(options)}
    responses = await asyncio.gather(*(ada.send("POST", "/auth/passkeys", body) for _ in range(4)))
    assert sorted(response.status_code for response in responses) == [201, 400, 400, 400]
    eve = await create_registered_user(http, mailbox)
    eves_key = Authenticator(PUBLIC_URL)
    options = (await eve.send("POST", "/auth/passkeys/options")).json()["options"]
    copied = eves_key.create(options)
    eves_key.credentials[0].id = key.credentials[0].id
    copied = _create_with_same_id(eves_key, options)
    refused = await eve.send("POST", "/auth/passkeys", {"credential": copied})
    assert (refused.status_code, error_code(refused)) == (409, "PASSKEY_ALREADY_REGISTERED")


def _create_with_same_id(key: Authenticator, options: dict[str, Any]) -> dict[str, Any]:
    """Return the response of an authenticator that reuses an existing ID for a new credential."""
    import secrets

    taken = key.credentials[0].id
    original = secrets.token_bytes
    secrets.token_bytes = lambda _size=None: taken  # type: ignore[assignment]
    try:
        return key.create(options)
    finally:
        secrets.token_bytes = original


@pytest.mark.parametrize(("length", "status"), [(1, 201), (1023, 201), (1024, 400), (30_000, 422)])
async def test_credential_id_length_is_limited_as_in_the_standard(
    ada: RegisteredUser, length: int, status: int
) -> None:
    assert (await add_passkey(ada, Authenticator(PUBLIC_URL, id_length=length))).status_code == status


async def test_credential_id_that_differs_from_the_signed_one_is_refused(
    ada: RegisteredUser, key: Authenticator
) -> None:
    credential = key.create((await ada.send("POST", "/auth/passkeys/options")).json()["options"])
    credential["id"] = credential["rawId"] = "A" * 43
    refused = await ada.send("POST", "/auth/passkeys", {"credential": credential})
    assert (refused.status_code, error_code(refused)) == (400, "PASSKEY_REFUSED")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("clientDataJSON", "e30"),
        ("clientDataJSON", "bm90IGpzb24"),
        ("clientDataJSON", "W10"),
        ("attestationObject", "AAAA"),
        ("attestationObject", "oA"),
        ("attestationObject", "o2NmbXRkbm9uZWdhdHRTdG10oGhhdXRoRGF0YUA"),
    ],
)
async def test_malformed_registration_is_refused(
    ada: RegisteredUser, key: Authenticator, field: str, value: str
) -> None:
    credential = key.create((await ada.send("POST", "/auth/passkeys/options")).json()["options"])
    credential["response"][field] = value
    refused = await ada.send("POST", "/auth/passkeys", {"credential": credential})
    assert (refused.status_code, error_code(refused)) == (400, "PASSKEY_REFUSED")


@pytest.mark.parametrize("field", ["clientDataJSON", "authenticatorData", "signature", "userHandle"])
async def test_malformed_assertion_is_refused(ada: RegisteredUser, key: Authenticator, field: str) -> None:
    await add_passkey(ada, key)
    passkey = key.sign(await sign_in_options(ada.http))
    passkey["response"][field] = "A"
    response = await post(ada.http, "/passkeys/sign-in", {"passkey": passkey})
    assert (response.status_code, error_code(response)) == (401, "INVALID_PASSKEY")


async def test_passkeys_are_listed_renamed_and_removed_only_by_their_owner(
    ada: RegisteredUser, key: Authenticator, http: httpx.AsyncClient, mailbox: Mailbox
) -> None:
    passkey_id = (await add_passkey(ada, key, "Blue key")).json()["passkey"]["id"]
    eve = await create_registered_user(http, mailbox)
    for method, body in (("PATCH", {"name": "Mine"}), ("DELETE", None)):
        response = await eve.send(method, f"/auth/passkeys/{passkey_id}", body)
        assert (response.status_code, error_code(response)) == (404, "PASSKEY_NOT_FOUND")
    renamed = await ada.send("PATCH", f"/auth/passkeys/{passkey_id}", {"name": "  Red key "})
    assert renamed.json()["name"] == "Red key"
    listed = (await ada.get("/auth/passkeys")).json()
    assert (listed["total"], listed["items"][0]["name"]) == (1, "Red key")
    assert (await eve.get("/auth/passkeys")).json()["total"] == 0
    await mailbox.list_new()
    assert (await ada.send("DELETE", f"/auth/passkeys/{passkey_id}")).status_code == 204
    assert "is off" in (await mailbox.latest(ada.email)).subject
    assert (await sign_in(ada.http, ada.email)).status_code == 200
    assert error_code(await with_passkey(ada.http, key)) == "INVALID_PASSKEY"


async def test_mfa_stays_on_while_another_factor_is_left(
    ada: RegisteredUser, key: Authenticator, clock: Clock, mailbox: Mailbox
) -> None:
    mfa_user: MfaUser = await enable_totp(ada, clock)
    passkey_id = (await add_passkey(ada, key)).json()["passkey"]["id"]
    assert (await mfa_user.start_sign_in())["methods"] == ["totp", "passkey", "recovery_code"]
    await mailbox.list_new()
    assert (await ada.send("DELETE", f"/auth/passkeys/{passkey_id}")).status_code == 204
    assert "was removed" in (await mailbox.latest(ada.email)).subject
    assert (await mfa_user.start_sign_in())["methods"] == ["totp", "recovery_code"]
    assert (await ada.get("/auth/mfa")).json()["recovery_codes_left"] == 10


async def test_number_of_passkeys_is_limited(ada: RegisteredUser, key: Authenticator, database: Database) -> None:
    await add_passkey(ada, key)
    started = (await ada.send("POST", "/auth/passkeys/options")).json()
    async with database.session() as session:
        first = (await session.scalars(select(Passkey))).one()
        for number in range(MAX_PASSKEYS - 1):
            made = {**first.model_dump(exclude={"id"}), "credential_id": bytes([number])}
            session.add(Passkey(**made))
    late = {"name": "Late", "credential": Authenticator(PUBLIC_URL).create(started["options"])}
    for path, body in (("/auth/passkeys/options", None), ("/auth/passkeys", late)):
        refused = await ada.send("POST", path, body)
        assert (refused.status_code, error_code(refused)) == (409, "TOO_MANY_PASSKEYS")


async def test_passkey_of_a_deactivated_user_is_refused(
    ada: RegisteredUser, key: Authenticator, database: Database
) -> None:
    from sqlalchemy import update

    from undercroft.modules.users import User

    await add_passkey(ada, key)
    async with database.session() as session:
        await session.execute(update(User).where(col(User.email) == ada.email).values(is_active=False))
    assert error_code(await with_passkey(ada.http, key)) == "INVALID_PASSKEY"


@pytest.mark.parametrize(
    ("url", "domain", "origins"),
    [
        ("https://app.example.com", "app.example.com", {"https://app.example.com"}),
        ("http://127.0.0.1:8123", "localhost", {"http://127.0.0.1:8123", "http://localhost:8123"}),
        ("https://example.com:8443/base", "example.com", {"https://example.com:8443"}),
    ],
)
def test_passkey_domain_and_origins_default_to_the_public_url(
    test_settings: None, url: str, domain: str, origins: set[str]
) -> None:
    use(load(CoreSettings).model_copy(update={"public_url": url}))
    made = MfaSettings(passkey_origins=["https://console.example.com"])
    assert made.domain == domain
    assert set(made.origins) == origins | {"https://console.example.com"}
