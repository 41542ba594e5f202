"""Routes of the MFA challenge, of sign-in with a passkey and of step-up authentication."""

from typing import Annotated

from fastapi import Depends, Request, Response

from undercroft.core.auth import StepUpRequired
from undercroft.core.http import CurrentPrincipal, Router
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt, returns_secret
from undercroft.core.http.limits import limit
from undercroft.core.http.step_up_policy import step_up_exempt, step_up_when
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth import (
    SIGN_IN,
    AuthServicesDep,
    CookieSession,
    CsrfFailed,
    CurrentClient,
    LocalAccountsOff,
    SessionKind,
    TokenPair,
    TooManyAttempts,
    WrongPassword,
    build_sign_in_response,
    refuse_cross_site_cookie,
    require_local_accounts,
)
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid, WrongCode
from undercroft.modules.mfa.routes.factors import TWO_FACTOR
from undercroft.modules.mfa.schemas import MfaToken, OptionsResponse, PasskeySignIn, StepUp, VerifySignIn
from undercroft.modules.mfa.second_factor import SecondFactorService
from undercroft.modules.mfa.step_up import StepUpService

second_factor = Router(surface="auth", tag=SIGN_IN)
step_up = Router(surface="auth", prefix="/step-up", tag=TWO_FACTOR)


async def get_second_factor_service(auth_services: AuthServicesDep, client: CurrentClient) -> SecondFactorService:
    return SecondFactorService(auth_services, client)


async def get_step_up_service(
    auth_services: AuthServicesDep, principal: CurrentPrincipal, client: CurrentClient
) -> StepUpService:
    return StepUpService(auth_services, principal, client)


SecondFactorServiceDep = Annotated[SecondFactorService, Depends(get_second_factor_service)]
StepUpServiceDep = Annotated[StepUpService, Depends(get_step_up_service)]


@second_factor.post(
    "/mfa/verify",
    response_model=TokenPair | CookieSession,
    summary="Complete a sign-in with a second factor",
    responses=responses(MfaTokenInvalid, InvalidCode, CsrfFailed, TooManyAttempts),
)
@limit("sign_in")
@returns_secret
async def verify_sign_in(
    body: VerifySignIn,
    request: Request,
    response: Response,
    auth_services: AuthServicesDep,
    step: SecondFactorServiceDep,
) -> TokenPair | CookieSession:
    """Exchange the `mfa_token` of an `MFA_REQUIRED` error and one second factor for the kind of session that the
    sign-in requested.

    A code works only once. After five wrong attempts the token is invalid and the user must sign in again.
    """
    refuse_cross_site_cookie(request, SessionKind.COOKIE)
    user, started, kind = await step.verify(body.mfa_token.get_secret_value(), body)
    return await build_sign_in_response(auth_services, response, user, started, kind)


@second_factor.post(
    "/mfa/verify/options",
    response_model=OptionsResponse,
    summary="Get options to use a passkey as the second factor",
    responses=responses(MfaTokenInvalid),
)
@limit("sign_in_request")
@idempotency_exempt("Each response contains a new challenge.")
async def begin_second_factor(body: MfaToken, step: SecondFactorServiceDep) -> OptionsResponse:
    """Return options for `navigator.credentials.get()`. The challenge works once."""
    return OptionsResponse(options=await step.options(body.mfa_token.get_secret_value()))


@second_factor.post(
    "/passkeys/sign-in/options",
    response_model=OptionsResponse,
    summary="Get options to sign in with a passkey",
    responses=responses(LocalAccountsOff),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@idempotency_exempt("Each response contains a new challenge.")
async def begin_passkey_sign_in(step: SecondFactorServiceDep) -> OptionsResponse:
    """Return options for `navigator.credentials.get()`. The challenge works once. The options name no account and no
    credential.
    """
    return OptionsResponse(options=await step.passkey_options())


@second_factor.post(
    "/passkeys/sign-in",
    response_model=TokenPair | CookieSession,
    summary="Sign in with a passkey",
    responses=responses(LocalAccountsOff, InvalidPasskey, CsrfFailed),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@returns_secret
async def sign_in_with_passkey(
    body: PasskeySignIn,
    request: Request,
    response: Response,
    auth_services: AuthServicesDep,
    step: SecondFactorServiceDep,
) -> TokenPair | CookieSession:
    """Sign in without a password. No second factor is required, because the authenticator has verified the user with a
    fingerprint, for example, or a PIN.
    """
    refuse_cross_site_cookie(request, body.session)
    user, started = await step.sign_in_with_passkey(body.passkey, body.session)
    return await build_sign_in_response(auth_services, response, user, started, body.session)


@step_up.post(
    "",
    status_code=204,
    summary="Reauthenticate the current session",
    responses=responses(WrongPassword, WrongCode, StepUpRequired, TooManyAttempts, TooBusy),
)
@limit("sign_in")
@idempotency_exempt("A credential works once, and a second step-up changes nothing.")
@step_up_when("always: the request is the reauthentication")
async def step_up_session(body: StepUp, step: StepUpServiceDep) -> None:
    """Allow this session sensitive operations for a few minutes. A user with second factors must use one of them; the
    password is not enough.
    """
    if body.password is not None:
        await step.authenticate_with_password(body.password.get_secret_value())
    else:
        await step.authenticate_with_factor(body)


@step_up.post("/options", response_model=OptionsResponse, summary="Get options to reauthenticate with a passkey")
@limit("sign_in_request")
@idempotency_exempt("Each response contains a new challenge.")
@step_up_exempt("A challenge alone grants no access.")
async def begin_step_up(step: StepUpServiceDep) -> OptionsResponse:
    """Return options for `navigator.credentials.get()`. The challenge works once."""
    return OptionsResponse(options=await step.options())
