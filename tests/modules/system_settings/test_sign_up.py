"""Who can sign up."""

import pytest
from httpx2 import AsyncClient

from tests.modules.system_settings.conftest import SetValue
from undercroft.core.db import Database
from undercroft.core.errors import AppError
from undercroft.core.hooks import decide
from undercroft.modules.users import SignUp, SignUpMethod

REGISTER = "/api/v1/auth/register"
PASSWORD = "three otters in a boat"


async def register(client: AsyncClient, email: str) -> tuple[int, str]:
    response = await client.post(REGISTER, json={"email": email, "password": PASSWORD})
    return response.status_code, response.json().get("error", {}).get("code", "")


async def decision(database: Database, email: str, method: SignUpMethod) -> str:
    try:
        async with database.session() as session:
            is_invited = method is SignUpMethod.INVITATION
            await decide(session, SignUp(email=email, full_name="", method=method, is_invited=is_invited))
    except AppError as error:
        return error.code
    return ""


async def test_invite_policy_refuses_registration_for_known_and_unknown_addresses_alike(
    client: AsyncClient, create_user: object, set_value: SetValue, database: Database
) -> None:
    known = await create_user()  # type: ignore[operator]
    assert await register(client, "ada@example.com") == (202, "")
    await set_value("SIGN_UP_POLICY", "invite")
    for email in ("bob@example.com", known.email):
        assert await register(client, email) == (403, "SIGN_UP_BY_INVITATION")
    assert await decision(database, "bob@example.com", SignUpMethod.IDENTITY_PROVIDER) == "SIGN_UP_BY_INVITATION"
    assert await decision(database, "bob@example.com", SignUpMethod.INVITATION) == ""


@pytest.mark.parametrize(
    ("email", "expected"),
    [
        ("ada@acme.example", ""),
        ("ada@ACME.example", ""),
        ("ada@other.example", "SIGN_UP_DOMAIN_NOT_ALLOWED"),
        ("ada@sub.acme.example", "SIGN_UP_DOMAIN_NOT_ALLOWED"),
        ("ada@acme.example.evil.example", "SIGN_UP_DOMAIN_NOT_ALLOWED"),
        ("ada@evilacme.example", "SIGN_UP_DOMAIN_NOT_ALLOWED"),
    ],
)
async def test_domain_policy_applies_to_all_ways_to_sign_up(
    database: Database, set_value: SetValue, email: str, expected: str
) -> None:
    await set_value("SIGN_UP_DOMAINS", ["@Acme.example"])
    await set_value("SIGN_UP_POLICY", "domains")
    assert {await decision(database, email, method) for method in SignUpMethod} == {expected}


async def test_domains_of_the_policy_cannot_be_removed(admin: AsyncClient, set_value: SetValue) -> None:
    await set_value("SIGN_UP_DOMAINS", ["acme.example"])
    await set_value("SIGN_UP_POLICY", "domains")
    refused = await admin.put("/api/v1/admin/settings/SIGN_UP_DOMAINS", json={"value": []})
    assert refused.json()["error"]["code"] == "INVALID_SETTING"


async def test_subaddresses_can_be_refused(client: AsyncClient, set_value: SetValue) -> None:
    assert await register(client, "ada+shop@example.com") == (202, "")
    await set_value("SIGN_UP_SUBADDRESSES", "refuse")
    assert await register(client, "ada+other@example.com") == (403, "SUBADDRESS_NOT_ALLOWED")
    assert await register(client, "ada.shop@example.com") == (202, "")


async def test_disposable_addresses_can_be_refused_at_runtime(client: AsyncClient, set_value: SetValue) -> None:
    await set_value("DISPOSABLE_MAIL_DOMAINS", "throwaway.example")
    assert await register(client, "ada@throwaway.example") == (202, "")
    await set_value("DISPOSABLE_MAIL", "refuse")
    assert await register(client, "ada@mail.throwaway.example") == (422, "DISPOSABLE_EMAIL")
