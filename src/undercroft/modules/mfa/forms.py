"""The second step for pages: what somebody typed into a form instead of what a program sends."""

from pydantic import ValidationError

from undercroft.modules.auth import Client, Identity, SessionKind, Started
from undercroft.modules.mfa.errors import InvalidCode
from undercroft.modules.mfa.schemas import Proof
from undercroft.modules.mfa.second_step import SecondStep
from undercroft.modules.users import User

LONGEST = 64


async def finish_sign_in(
    identity: Identity, client: Client, *, token: str, code: str = "", recovery_code: str = ""
) -> tuple[User, Started, SessionKind]:
    """Begin the session that `MfaRequired` stood before, with a code of an app or a recovery code.

    Raises `MfaTokenInvalid`, `InvalidCode`, `TooManyAttempts`. What has not the form of a code is wrong, not counted.
    """
    digits = "".join(code.split())
    try:
        proof = Proof.model_validate(
            {"code": digits} if digits else {"recovery_code": recovery_code[:LONGEST]}, strict=False
        )
    except ValidationError:
        raise InvalidCode from None
    return await SecondStep(identity, client).verify(token, proof)
