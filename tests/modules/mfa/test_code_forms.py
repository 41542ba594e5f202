"""Codes in the notations in which users type and paste them, at all endpoints and pages."""

from collections.abc import Callable

import httpx2 as httpx
import pytest

from tests.modules.auth.users import RegisteredUser, error_code
from tests.modules.forms import hidden_fields
from tests.modules.mfa.conftest import AuthenticatorApp, Clock, MfaUser

FULL_WIDTH = {ord(each): ord(each) + 0xFEE0 for each in "0123456789abcdefghijklmnopqrstuvwxyz"}
FORMS: dict[str, Callable[[str], str]] = {
    "space": lambda code: f"{code[:3]} {code[3:]}",
    "hyphen": lambda code: f"{code[:3]}-{code[3:]}",
    "around": lambda code: f" {code}\n",
    "no-break space": lambda code: f"{code[:3]}\u00a0{code[3:]}",
    "dash": lambda code: f"{code[:3]}\u2013{code[3:]}",
    "full width": lambda code: code.translate(FULL_WIDTH),
    "each apart": " ".join,
}
RECOVERY: dict[str, Callable[[str], str]] = {
    **{name: FORMS[name] for name in ("around", "full width", "each apart")},
    "upper case": str.upper,
    "spaces": lambda code: code.replace("-", " "),
    "run together": lambda code: code.replace("-", ""),
}


@pytest.mark.parametrize("form", FORMS)
async def test_totp_code_is_accepted_in_every_notation(
    mfa_user: MfaUser, page_browser: httpx.AsyncClient, clock: Clock, form: str
) -> None:
    write = FORMS[form]
    assert (await mfa_user.verify(await mfa_user.token(), code=write(mfa_user.app.code()))).status_code == 200
    clock.next_step()
    step_up = await mfa_user.user.send("POST", "/auth/step-up", {"code": write(mfa_user.app.code())})
    assert step_up.status_code == 204
    clock.next_step()
    assert await passes_on_the_page(page_browser, mfa_user, "code", write(mfa_user.app.code()))


@pytest.mark.parametrize("form", FORMS)
async def test_totp_setup_is_confirmed_by_a_code_in_every_notation(
    ada: RegisteredUser, clock: Clock, form: str
) -> None:
    app = AuthenticatorApp((await ada.send("POST", "/auth/mfa/totp")).json()["secret"], clock)
    confirmed = await ada.send("POST", "/auth/mfa/totp/confirm", {"code": FORMS[form](app.code())})
    assert confirmed.status_code == 200


@pytest.mark.parametrize("form", RECOVERY)
async def test_recovery_code_is_accepted_in_every_notation(
    mfa_user: MfaUser, page_browser: httpx.AsyncClient, form: str
) -> None:
    first, second, third, fourth = (RECOVERY[form](code) for code in mfa_user.recovery_codes[:4])
    assert (await mfa_user.verify(await mfa_user.token(), recovery_code=first)).status_code == 200
    assert (await mfa_user.user.send("POST", "/auth/step-up", {"recovery_code": second})).status_code == 204
    assert await passes_on_the_page(page_browser, mfa_user, "recovery_code", third)
    assert await passes_on_the_page(page_browser, mfa_user, "code", fourth)
    again = await mfa_user.verify(await mfa_user.token(), recovery_code=mfa_user.recovery_codes[0])
    assert error_code(again) == "INVALID_CODE"


@pytest.mark.parametrize(
    "code", ["12345", "1234567", "12 34 5", "12345a", "------", "12345".translate(FULL_WIDTH), "½23456", "12.3456"]
)
async def test_code_without_six_digits_is_refused(mfa_user: MfaUser, code: str) -> None:
    response = await mfa_user.verify(await mfa_user.token(), code=code)
    assert (response.status_code, error_code(response)) == (422, "VALIDATION_ERROR")


async def test_wrong_code_is_refused_in_every_notation(mfa_user: MfaUser) -> None:
    token = await mfa_user.token()
    for write in list(FORMS.values())[:4]:
        assert error_code(await mfa_user.verify(token, code=write(mfa_user.app.wrong()))) == "INVALID_CODE"


async def passes_on_the_page(browser: httpx.AsyncClient, mfa_user: MfaUser, field: str, code: str) -> bool:
    """Return whether the second factor signs in on the page."""
    form = {"email": mfa_user.user.email, "password": mfa_user.user.password}
    challenge = await browser.post("/sign-in", data=form)
    entered = await browser.post("/sign-in/second-factor", data={**hidden_fields(challenge), field: code})
    browser.cookies.clear()
    return entered.status_code == 303
