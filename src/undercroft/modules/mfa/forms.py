"""Two-factor authentication for HTML pages: template contexts, and processing of submitted forms."""

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
    """Return the template context of `mfa/_second_factor.html`, except `action`, `next_path` and `error`.

    If the user has a passkey, this creates a challenge and adds the Content-Security-Policy that allows the passkey
    script. Raises `MfaTokenInvalid`.
    """
    service = SecondFactorService(browser.get_services(request), await browser.get_client(request))
    factors = await service.factors(token)
    context = {"mfa_token": token, "with_code": Factor.TOTP in factors, "passkey": None}
    if Factor.PASSKEY not in factors:
        return context
    return {**context, **_passkey_context(await service.options(token))}


async def passkey_sign_in_context(request: Request) -> dict[str, Any]:
    """Return the context of `mfa/_passkey_sign_in.html`, except `action`, `next_path`, `sign_in` and `error`."""
    service = SecondFactorService(browser.get_services(request), await browser.get_client(request))
    return _passkey_context(await service.passkey_options())


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
    """Complete a sign-in that raised `MfaRequired`, with a TOTP code, a recovery code or a passkey assertion (JSON).

    `expected_kind` rejects sign-ins that requested another kind of session. A page may have one field for both kinds
    of code and pass it as `code`: a value that is not six digits is treated as a recovery code. Raises
    `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`.
    """
    try:
        credential = (
            MfaCredential(passkey=Assertion.model_validate_json(passkey))
            if passkey
            else _parse_credential(code, recovery_code)
        )
    except ValidationError:
        raise InvalidCode from None
    return await SecondFactorService(auth_services, client).verify(token, credential, expected_kind=expected_kind)


async def finish_in_browser(
    request: Request, *, token: str, code: str = "", recovery_code: str = "", passkey: str = ""
) -> StartedSession:
    """Complete a cookie sign-in from a form of the built-in pages. Raises `CsrfFailed` and as `finish_sign_in` does."""
    auth_services, client = await browser.get_services_and_client(request)
    kind = SessionKind.COOKIE
    _, started, _ = await finish_sign_in(
        auth_services, client, token=token, code=code, recovery_code=recovery_code, passkey=passkey, expected_kind=kind
    )
    return started


async def authenticate_with_passkey(request: Request, passkey: str) -> StartedSession:
    """Start a cookie session for the owner of a passkey, given its assertion. Raises `CsrfFailed`, `InvalidPasskey`."""
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
