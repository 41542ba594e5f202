"""The second step for pages: what they show, and what somebody typed or signed instead of what a program sends."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from undercroft.core.http.assets import add_assets, asset
from undercroft.core.http.pages import add_templates, policy
from undercroft.modules.auth import Client, Identity, SessionKind, Started, browser
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey
from undercroft.modules.mfa.models import Factor
from undercroft.modules.mfa.schemas import Assertion, Proof, typed
from undercroft.modules.mfa.second_step import SecondStep
from undercroft.modules.users import User

HERE = Path(__file__).parent
LONGEST = 64
LONGEST_PASSKEY = 16_384
_SIX_DIGITS = re.compile("[0-9]{6}")

add_templates(HERE / "templates" / "pages")
add_assets(HERE / "assets")


async def second_step_of(request: Request, token: str) -> dict[str, Any]:
    """What a page needs to include `mfa/_second_step.html`, besides `action`, `wanted` and `error`.

    With a passkey that is a challenge, and the policy that lets our script ask the browser for it. Raises
    `MfaTokenInvalid`.
    """
    step = SecondStep(browser.identity_of(request), await browser.client_of(request))
    factors = await step.factors(token)
    shown = {"mfa_token": token, "with_code": Factor.TOTP in factors, "passkey": None}
    if Factor.PASSKEY not in factors:
        return shown
    return {**shown, **_asking(await step.options(token))}


async def passkey_alone_of(request: Request) -> dict[str, Any]:
    """What a page needs to include `mfa/_passkey_alone.html`, besides `action`, `wanted`, `sign_in` and `error`."""
    step = SecondStep(browser.identity_of(request), await browser.client_of(request))
    return _asking(await step.passkey_options())


async def finish_sign_in(
    identity: Identity,
    client: Client,
    *,
    token: str,
    code: str = "",
    recovery_code: str = "",
    passkey: str = "",
    only: SessionKind | None = None,
) -> tuple[User, Started, SessionKind]:
    """Begin the session that `MfaRequired` stood before, with a code of an app, a recovery code or a passkey's answer.

    `only` takes none but sign-ins that asked for this kind of session. A page may have one field for both codes and
    give it as `code`: what is not six digits is a recovery code. Raises `MfaTokenInvalid`, `InvalidCode`,
    `TooManyAttempts`.
    """
    try:
        proof = Proof(passkey=Assertion.model_validate_json(passkey)) if passkey else _typed(code, recovery_code)
    except ValidationError:
        raise InvalidCode from None
    return await SecondStep(identity, client).verify(token, proof, only=only)


async def finish_in_browser(
    request: Request, *, token: str, code: str = "", recovery_code: str = "", passkey: str = ""
) -> Started:
    """The same for a form of our own, of a sign-in that asked for a cookie. Raises `CsrfFailed` as well."""
    identity, client = await browser.asked_by(request)
    kind = SessionKind.COOKIE
    _, started, _ = await finish_sign_in(
        identity, client, token=token, code=code, recovery_code=recovery_code, passkey=passkey, only=kind
    )
    return started


async def enter_by_passkey(request: Request, passkey: str) -> Started:
    """Begin a session with a cookie for the owner of a passkey that answered. Raises `CsrfFailed`, `InvalidPasskey`."""
    identity, client = await browser.asked_by(request)
    try:
        assertion = Assertion.model_validate_json(passkey)
    except ValidationError:
        raise InvalidPasskey from None
    _, started = await SecondStep(identity, client).by_passkey(assertion, SessionKind.COOKIE)
    return started


def _asking(options: dict[str, Any]) -> dict[str, Any]:
    passkey = {
        "options": json.dumps(options),
        "domain": options["rpId"],
        "script": asset(HERE / "assets" / "passkey.js"),
    }
    return {"passkey": passkey, "csp": policy(script_src="'self'")}


def _typed(code: str, recovery_code: str) -> Proof:
    if _SIX_DIGITS.fullmatch(str(typed(code))):
        return Proof.model_validate({"code": code})
    return Proof.model_validate({"recovery_code": (recovery_code or code)[:LONGEST]})
