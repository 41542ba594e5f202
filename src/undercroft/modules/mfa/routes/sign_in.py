"""The second step of signing in, signing in with a passkey, and stepping up."""

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
    summary="Sign in: the second step",
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
    """Takes the token of `MFA_REQUIRED` with one second factor and answers as the first step was asked to.

    A code works once. After five wrong ones the sign-in begins anew.
    """
    refuse_cross_site_cookie(request, SessionKind.COOKIE)
    user, started, kind = await step.verify(body.mfa_token.get_secret_value(), body)
    return await build_sign_in_response(auth_services, response, user, started, kind)


@second_factor.post(
    "/mfa/verify/options",
    response_model=OptionsResponse,
    summary="Sign in: ask for a passkey as the second step",
    responses=responses(MfaTokenInvalid),
)
@limit("sign_in_request")
@idempotency_exempt("Each answer holds a challenge of its own.")
async def begin_second_factor(body: MfaToken, step: SecondFactorServiceDep) -> OptionsResponse:
    """Options for `navigator.credentials.get()`, good for one answer."""
    return OptionsResponse(options=await step.options(body.mfa_token.get_secret_value()))


@second_factor.post(
    "/passkeys/sign-in/options",
    response_model=OptionsResponse,
    summary="Sign in: ask for a passkey alone",
    responses=responses(LocalAccountsOff),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@idempotency_exempt("Each answer holds a challenge of its own.")
async def begin_passkey_sign_in(step: SecondFactorServiceDep) -> OptionsResponse:
    """Options for `navigator.credentials.get()`, good for one answer. They tell nothing about anybody."""
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
    """Both steps at once: the authenticator has verified the person, by a fingerprint or a PIN."""
    refuse_cross_site_cookie(request, body.session)
    user, started = await step.sign_in_with_passkey(body.passkey, body.session)
    return await build_sign_in_response(auth_services, response, user, started, body.session)


@step_up.post(
    "",
    status_code=204,
    summary="Prove once more that it is you",
    responses=responses(WrongPassword, WrongCode, StepUpRequired, TooManyAttempts, TooBusy),
)
@limit("sign_in")
@idempotency_exempt("What proves somebody works once; stepping up twice changes nothing.")
@step_up_when("always: the request is the proof")
async def step_up_session(body: StepUp, step: StepUpServiceDep) -> None:
    """Opens what is sensitive to this session for some minutes. With second factors it takes one of those."""
    if body.password is not None:
        await step.authenticate_with_password(body.password.get_secret_value())
    else:
        await step.authenticate_with_factor(body)


@step_up.post("/options", response_model=OptionsResponse, summary="Ask for a passkey to step up with")
@limit("sign_in_request")
@idempotency_exempt("Each answer holds a challenge of its own.")
@step_up_exempt("A challenge alone opens nothing.")
async def begin_step_up(step: StepUpServiceDep) -> OptionsResponse:
    """Options for `navigator.credentials.get()`, good for one answer."""
    return OptionsResponse(options=await step.options())
