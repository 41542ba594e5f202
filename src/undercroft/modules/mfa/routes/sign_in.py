"""Routes of the MFA challenge, of sign-in with a passkey and of step-up authentication."""

from fastapi import Request, Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.http import Audit, Exempt, Router, When
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth import TooManyAttempts, WrongPassword
from undercroft.modules.mfa.dependencies import SecondFactorServiceDep, StepUpServiceDep
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid, WrongCode
from undercroft.modules.mfa.routes.factors import TWO_FACTOR
from undercroft.modules.mfa.schemas import MfaToken, OptionsResponse, PasskeySignIn, StepUp, VerifySignIn
from undercroft.modules.mfa.service.second_factor import SECOND_FACTOR_FAILURES
from undercroft.modules.sessions import (
    CsrfFailed,
    LocalAccountsOff,
    SignInResponse,
    build_sign_in_response,
    refuse_cross_site,
    require_local_accounts,
)

second_factor = Router(surface="auth", tag="Auth", limit="sign_in", idempotency="never_store")
step_up = Router(surface="auth", prefix="/step-up", tag=TWO_FACTOR)


@second_factor.post(
    "/mfa/verify",
    audit=Audit("session.started", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES),
    summary="Complete a sign-in with a second factor",
    errors=(MfaTokenInvalid, InvalidCode, CsrfFailed, TooManyAttempts),
)
async def verify_sign_in(
    body: VerifySignIn,
    request: Request,
    response: Response,
    service: SecondFactorServiceDep,
) -> SignInResponse:
    """Exchange the `mfa_token` of an `MFA_REQUIRED` error and one second factor for the kind of session that the
    sign-in requested.

    A code works only once. After five wrong attempts the token is invalid and the user must sign in again.
    """
    refuse_cross_site(request)
    user, started, kind = await service.verify(body.mfa_token.get_secret_value(), body)
    return await build_sign_in_response(response, user, started, kind)


@second_factor.post(
    "/mfa/verify/options",
    audit=Exempt("It only returns a challenge."),
    limit="sign_in_request",
    idempotency=Exempt("Each response contains a new challenge."),
    summary="Get options to use a passkey as the second factor",
    errors=(MfaTokenInvalid,),
)
async def begin_second_factor(body: MfaToken, service: SecondFactorServiceDep) -> OptionsResponse:
    """Return options for `navigator.credentials.get()`. The challenge works once."""
    return OptionsResponse(options=await service.options(body.mfa_token.get_secret_value()))


@second_factor.post(
    "/passkeys/sign-in/options",
    audit=Exempt("It only returns a challenge."),
    limit="sign_in_request",
    idempotency=Exempt("Each response contains a new challenge."),
    summary="Get options to sign in with a passkey",
    errors=(LocalAccountsOff,),
    dependencies=[require_local_accounts()],
)
async def begin_passkey_sign_in(service: SecondFactorServiceDep) -> OptionsResponse:
    """Return options for `navigator.credentials.get()`. The challenge works once. The options name no account and no
    credential.
    """
    return OptionsResponse(options=await service.passkey_options())


@second_factor.post(
    "/passkeys/sign-in",
    audit=Audit("session.started", on_failure=SECOND_FACTOR_FAILURES),
    summary="Sign in with a passkey",
    errors=(LocalAccountsOff, InvalidPasskey, CsrfFailed),
    dependencies=[require_local_accounts()],
)
async def sign_in_with_passkey(
    body: PasskeySignIn,
    request: Request,
    response: Response,
    service: SecondFactorServiceDep,
) -> SignInResponse:
    """Sign in without a password. No second factor is required, because the authenticator has verified the user with a
    fingerprint, for example, or a PIN.
    """
    refuse_cross_site(request, body.session)
    user, started = await service.sign_in_with_passkey(body.passkey, body.session)
    return await build_sign_in_response(response, user, started, body.session)


@step_up.post(
    "",
    status_code=204,
    audit=Audit("session.reauthenticated", optional=("mfa.recovery_code_used",), on_failure=SECOND_FACTOR_FAILURES),
    step_up=When("always: the request is the reauthentication"),
    limit="sign_in",
    idempotency=Exempt("A credential works once, and a second step-up changes nothing."),
    summary="Reauthenticate the current session",
    errors=(WrongPassword, WrongCode, StepUpRequired, TooManyAttempts, TooBusy),
)
async def step_up_session(body: StepUp, service: StepUpServiceDep) -> None:
    """Allow this session sensitive operations for a few minutes. A user with second factors must use one of them; the
    password is not enough.
    """
    if body.password is not None:
        await service.authenticate_with_password(body.password.get_secret_value())
    else:
        await service.authenticate_with_factor(body)


@step_up.post(
    "/options",
    audit=Exempt("It only returns a challenge."),
    step_up=Exempt("A challenge alone grants no access."),
    limit="sign_in_request",
    idempotency=Exempt("Each response contains a new challenge."),
    summary="Get options to reauthenticate with a passkey",
)
async def begin_step_up(service: StepUpServiceDep) -> OptionsResponse:
    """Return options for `navigator.credentials.get()`. The challenge works once."""
    return OptionsResponse(options=await service.options())
