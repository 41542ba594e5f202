"""The second step for pages: what somebody typed into a form instead of what a program sends."""

import re

from pydantic import ValidationError
from starlette.requests import Request

from undercroft.modules.auth import Client, Identity, SessionKind, Started, browser
from undercroft.modules.mfa.errors import InvalidCode
from undercroft.modules.mfa.schemas import Proof
from undercroft.modules.mfa.second_step import SecondStep
from undercroft.modules.users import User

LONGEST = 64
_SIX_DIGITS = re.compile("[0-9]{6}")


async def finish_sign_in(
    identity: Identity,
    client: Client,
    *,
    token: str,
    code: str = "",
    recovery_code: str = "",
    only: SessionKind | None = None,
) -> tuple[User, Started, SessionKind]:
    """Begin the session that `MfaRequired` stood before, with a code of an app or a recovery code.

    `only` takes none but sign-ins that asked for this kind of session. A page may have one field for both and give it
    as `code`: what is not six digits is a recovery code. Raises `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`.
    """
    digits = "".join(code.split())
    given = {"code": digits} if _SIX_DIGITS.fullmatch(digits) else {"recovery_code": (recovery_code or code)[:LONGEST]}
    try:
        proof = Proof.model_validate(given)
    except ValidationError:
        raise InvalidCode from None
    return await SecondStep(identity, client).verify(token, proof, only=only)


async def finish_in_browser(request: Request, *, token: str, code: str) -> Started:
    """The same for a form of our own, of a sign-in that asked for a cookie. Raises `CsrfFailed` as well."""
    identity, client = await browser.asked_by(request)
    _, started, _ = await finish_sign_in(identity, client, token=token, code=code, only=SessionKind.COOKIE)
    return started
