"""The second step for pages: what they show, and what somebody typed or signed instead of what a program sends."""

import json
import re
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from starlette.requests import Request

from undercroft.core.http.assets import add_assets, asset_url
from undercroft.core.http.pages import add_templates, build_csp
from undercroft.modules.auth import AuthServices, Client, SessionKind, StartedSession, browser
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey
from undercroft.modules.mfa.models import Factor
from undercroft.modules.mfa.schemas import Assertion, MfaCredential, normalize_code
from undercroft.modules.mfa.second_factor import SecondFactorService
from undercroft.modules.users import User

HERE = Path(__file__).parent
MAX_RECOVERY_CODE_LENGTH = 64
MAX_PASSKEY_LENGTH = 16_384
_SIX_DIGITS = re.compile("[0-9]{6}")

add_templates(HERE / "templates" / "pages")
add_assets(HERE / "assets")


async def second_factor_context(request: Request, token: str) -> dict[str, Any]:
    """What a page needs to include `mfa/_second_factor.html`, besides `action`, `next_path` and `error`.

    With a passkey that is a challenge, and the policy that lets our script ask the browser for it. Raises
    `MfaTokenInvalid`.
    """
    step = SecondFactorService(browser.get_services(request), await browser.get_client(request))
    factors = await step.factors(token)
    shown = {"mfa_token": token, "with_code": Factor.TOTP in factors, "passkey": None}
    if Factor.PASSKEY not in factors:
        return shown
    return {**shown, **_passkey_context(await step.options(token))}


async def passkey_sign_in_context(request: Request) -> dict[str, Any]:
    """What a page needs to include `mfa/_passkey_sign_in.html`: with `action`, `next_path`, `sign_in` and `error`."""
    step = SecondFactorService(browser.get_services(request), await browser.get_client(request))
    return _passkey_context(await step.passkey_options())


async def finish_sign_in(
    auth_services: AuthServices,
    client: Client,
    *,
    token: str,
    code: str = "",
    recovery_code: str = "",
    passkey: str = "",
    expected_kind: SessionKind | None = None,
) -> tuple[User, StartedSession, SessionKind]:
    """Begin the session that `MfaRequired` stood before, with a code of an app, a recovery code or a passkey's answer.

    `expected_kind` takes none but sign-ins that asked for this kind of session. A page may have one field for both
    codes and give it as `code`: what is not six digits is a recovery code. Raises `MfaTokenInvalid`, `InvalidCode`,
    `TooManyAttempts`.
    """
    try:
        proof = (
            MfaCredential(passkey=Assertion.model_validate_json(passkey))
            if passkey
            else _parse_credential(code, recovery_code)
        )
    except ValidationError:
        raise InvalidCode from None
    return await SecondFactorService(auth_services, client).verify(token, proof, expected_kind=expected_kind)


async def finish_in_browser(
    request: Request, *, token: str, code: str = "", recovery_code: str = "", passkey: str = ""
) -> StartedSession:
    """The same for a form of our own, of a sign-in that asked for a cookie. Raises `CsrfFailed` as well."""
    auth_services, client = await browser.get_services_and_client(request)
    kind = SessionKind.COOKIE
    _, started, _ = await finish_sign_in(
        auth_services, client, token=token, code=code, recovery_code=recovery_code, passkey=passkey, expected_kind=kind
    )
    return started


async def authenticate_with_passkey(request: Request, passkey: str) -> StartedSession:
    """Begin a session with a cookie for the owner of a passkey that answered. Raises `CsrfFailed`, `InvalidPasskey`."""
    auth_services, client = await browser.get_services_and_client(request)
    try:
        assertion = Assertion.model_validate_json(passkey)
    except ValidationError:
        raise InvalidPasskey from None
    _, started = await SecondFactorService(auth_services, client).sign_in_with_passkey(assertion, SessionKind.COOKIE)
    return started


def _passkey_context(options: dict[str, Any]) -> dict[str, Any]:
    passkey = {
        "options": json.dumps(options),
        "domain": options["rpId"],
        "script": asset_url(HERE / "assets" / "passkey.js"),
    }
    return {"passkey": passkey, "csp": build_csp(script_src="'self'")}


def _parse_credential(code: str, recovery_code: str) -> MfaCredential:
    if _SIX_DIGITS.fullmatch(str(normalize_code(code))):
        return MfaCredential.model_validate({"code": code})
    return MfaCredential.model_validate({"recovery_code": (recovery_code or code)[:MAX_RECOVERY_CODE_LENGTH]})
