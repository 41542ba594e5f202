"""Sign-in with a second factor from forms."""

import pytest
from httpx2 import AsyncClient

from tests.modules.mfa.conftest import MfaUser
from undercroft.modules.auth import AuthServices
from undercroft.modules.mfa import InvalidCode, MfaTokenInvalid
from undercroft.modules.sessions import Client, SessionKind
from undercroft.modules.web.service.sign_in import finish_sign_in

CLIENT = Client(ip="192.0.2.1", user_agent="")


async def test_finish_sign_in_accepts_codes_and_recovery_codes(mfa_user: MfaUser, auth_services: AuthServices) -> None:
    code = mfa_user.app.code()
    spaced = f" {code[:3]} {code[3:]} "
    token = await mfa_user.token(session="cookie")
    user, started, kind = await finish_sign_in(auth_services, CLIENT, token=token, code=spaced)
    assert (user.email, kind) == (mfa_user.user.email, SessionKind.COOKIE)
    assert started.secret
    token = await mfa_user.token()
    *_, kind = await finish_sign_in(auth_services, CLIENT, token=token, recovery_code=mfa_user.recovery_codes[0])
    assert kind is SessionKind.BEARER
    token = await mfa_user.token()
    user, *_ = await finish_sign_in(auth_services, CLIENT, token=token, code=mfa_user.recovery_codes[1])
    assert user.email == mfa_user.user.email


@pytest.mark.parametrize(("code", "recovery_code"), [("", ""), ("12345a", ""), ("1" * 7, ""), ("", "x" * 10_000)])
async def test_finish_sign_in_rejects_a_malformed_code(
    mfa_user: MfaUser, auth_services: AuthServices, code: str, recovery_code: str
) -> None:
    with pytest.raises(InvalidCode):
        await finish_sign_in(
            auth_services, CLIENT, token=await mfa_user.token(), code=code, recovery_code=recovery_code
        )


async def test_finish_sign_in_rejects_an_empty_token(auth_services: AuthServices, mfa_user: MfaUser) -> None:
    with pytest.raises(MfaTokenInvalid):
        await finish_sign_in(auth_services, CLIENT, token="", code=mfa_user.app.code())


@pytest.mark.parametrize("headers", [{}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}])
@pytest.mark.parametrize("page", ["/sign-in", "/sign-in/second-factor", "/sign-in/passkey", "/admin/login/passkey"])
async def test_requests_not_known_to_be_same_site_get_the_sign_in_form(
    client: AsyncClient, page: str, headers: dict[str, str]
) -> None:
    response = await client.post(page, data={"passkey": "", "code": "123456"}, headers=headers)
    assert (response.status_code, 'name="password"' in response.text) == (403, True)
    assert response.headers["referrer-policy"] == "same-origin"
