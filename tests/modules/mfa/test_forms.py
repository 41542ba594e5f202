"""Sign-in with a second factor from forms."""

import pytest

from tests.modules.mfa.conftest import MfaUser
from undercroft.modules.auth import Client, SessionKind
from undercroft.modules.auth.services import AuthServices
from undercroft.modules.mfa import InvalidCode, MfaTokenInvalid, finish_sign_in

CLIENT = Client(ip="192.0.2.1", user_agent="")


async def test_finish_sign_in_accepts_codes_and_recovery_codes(mfa_user: MfaUser, auth_services: AuthServices) -> None:
    code = mfa_user.app.code()
    spaced = f" {code[:3]} {code[3:]} "
    token = await mfa_user.token(session="cookie")
    user, started, kind = await finish_sign_in(auth_services, CLIENT, token=token, code=spaced)
    assert (user.email, kind) == (mfa_user.person.email, SessionKind.COOKIE)
    assert started.secret
    token = await mfa_user.token()
    *_, kind = await finish_sign_in(auth_services, CLIENT, token=token, recovery_code=mfa_user.recovery_codes[0])
    assert kind is SessionKind.BEARER
    token = await mfa_user.token()
    user, *_ = await finish_sign_in(auth_services, CLIENT, token=token, code=mfa_user.recovery_codes[1])
    assert user.email == mfa_user.person.email


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
