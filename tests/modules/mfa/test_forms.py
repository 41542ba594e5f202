"""The second step as pages do it."""

import pytest

from tests.modules.mfa.conftest import Guarded
from undercroft.modules.auth import Client, SessionKind
from undercroft.modules.auth.identity import Identity
from undercroft.modules.mfa import InvalidCode, MfaTokenInvalid, finish_sign_in

HERE = Client(ip="192.0.2.1", user_agent="")


async def test_a_page_finishes_what_the_password_began(guarded: Guarded, identity: Identity) -> None:
    code = guarded.app.code()
    spaced = f" {code[:3]} {code[3:]} "
    token = await guarded.token(session="cookie")
    user, started, kind = await finish_sign_in(identity, HERE, token=token, code=spaced)
    assert (user.email, kind) == (guarded.person.email, SessionKind.COOKIE)
    assert started.secret
    token = await guarded.token()
    *_, kind = await finish_sign_in(identity, HERE, token=token, recovery_code=guarded.recovery_codes[0])
    assert kind is SessionKind.BEARER
    token = await guarded.token()
    user, *_ = await finish_sign_in(identity, HERE, token=token, code=guarded.recovery_codes[1])
    assert user.email == guarded.person.email


@pytest.mark.parametrize(("code", "recovery_code"), [("", ""), ("12345a", ""), ("1" * 7, ""), ("", "x" * 10_000)])
async def test_what_is_no_code_is_a_wrong_one(
    guarded: Guarded, identity: Identity, code: str, recovery_code: str
) -> None:
    with pytest.raises(InvalidCode):
        await finish_sign_in(identity, HERE, token=await guarded.token(), code=code, recovery_code=recovery_code)


async def test_a_page_without_a_token_begins_anew(identity: Identity, guarded: Guarded) -> None:
    with pytest.raises(MfaTokenInvalid):
        await finish_sign_in(identity, HERE, token="", code=guarded.app.code())
