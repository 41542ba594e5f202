"""The second step for pages: what somebody typed into a form instead of what a program sends."""

import re

from pydantic import ValidationError

from undercroft.modules.auth import Client, Identity, SessionKind, Started
from undercroft.modules.mfa.errors import InvalidCode
from undercroft.modules.mfa.schemas import Proof
from undercroft.modules.mfa.second_step import SecondStep
from undercroft.modules.users import User

LONGEST = 64
_SIX_DIGITS = re.compile("[0-9]{6}")


async def finish_sign_in(
    identity: Identity, client: Client, *, token: str, code: str = "", recovery_code: str = ""
) -> tuple[User, Started, SessionKind]:
    """Begin the session that `MfaRequired` stood before, with a code of an app or a recovery code.

    Where a page has one field for both, `code` takes both: what is not six digits is a recovery code. Raises
    `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`.
    """
    digits = "".join(code.split())
    given = {"code": digits} if _SIX_DIGITS.fullmatch(digits) else {"recovery_code": (recovery_code or code)[:LONGEST]}
    try:
        proof = Proof.model_validate(given)
    except ValidationError:
        raise InvalidCode from None
    return await SecondStep(identity, client).verify(token, proof)
