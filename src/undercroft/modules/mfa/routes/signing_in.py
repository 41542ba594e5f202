"""The second step of signing in, signing in with a passkey, and stepping up."""

from typing import Annotated

from fastapi import Depends, Request, Response

from undercroft.core.auth import CurrentPrincipal, Router, StepUpRequired
from undercroft.core.auth.widening import grants_nothing, requires_proof_when
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import answers_secret, not_idempotent
from undercroft.core.http.limits import limit
from undercroft.core.security.threads import TooBusy
from undercroft.modules.auth import (
    SIGN_IN,
    CookieSession,
    CsrfFailed,
    CurrentClient,
    IdentityDep,
    LocalAccountsOff,
    SessionKind,
    TokenPair,
    TooManyAttempts,
    WrongPassword,
    require_local_accounts,
    require_own_page,
    signed_in,
)
from undercroft.modules.mfa.errors import InvalidCode, InvalidPasskey, MfaTokenInvalid, WrongCode
from undercroft.modules.mfa.routes.factors import TWO_STEPS
from undercroft.modules.mfa.schemas import MfaToken, OptionsAnswer, PasskeySignIn, StepUp, VerifySignIn
from undercroft.modules.mfa.second_step import SecondStep
from undercroft.modules.mfa.step_up import StepUpService

second_step = Router(surface="auth", tag=SIGN_IN)
step_up = Router(surface="auth", prefix="/step-up", tag=TWO_STEPS)


async def second_step_of(identity: IdentityDep, client: CurrentClient) -> SecondStep:
    return SecondStep(identity, client)


async def step_up_of(identity: IdentityDep, principal: CurrentPrincipal, client: CurrentClient) -> StepUpService:
    return StepUpService(identity, principal, client)


SecondStepDep = Annotated[SecondStep, Depends(second_step_of)]
StepUpDep = Annotated[StepUpService, Depends(step_up_of)]


@second_step.post(
    "/mfa/verify",
    response_model=TokenPair | CookieSession,
    summary="Sign in: the second step",
    responses=responses(MfaTokenInvalid, InvalidCode, CsrfFailed, TooManyAttempts),
)
@limit("sign_in")
@answers_secret
async def verify_sign_in(
    body: VerifySignIn, request: Request, response: Response, identity: IdentityDep, step: SecondStepDep
) -> TokenPair | CookieSession:
    """Takes the token of `MFA_REQUIRED` with one second factor and answers as the first step was asked to.

    A code works once. After five wrong ones the sign-in begins anew.
    """
    require_own_page(request, SessionKind.COOKIE)
    user, started, kind = await step.verify(body.mfa_token.get_secret_value(), body)
    return await signed_in(identity, response, user, started, kind)


@second_step.post(
    "/mfa/verify/options",
    response_model=OptionsAnswer,
    summary="Sign in: ask for a passkey as the second step",
    responses=responses(MfaTokenInvalid),
)
@limit("sign_in_request")
@not_idempotent("Each answer holds a challenge of its own.")
async def begin_second_step(body: MfaToken, step: SecondStepDep) -> OptionsAnswer:
    """Options for `navigator.credentials.get()`, good for one answer."""
    return OptionsAnswer(options=await step.options(body.mfa_token.get_secret_value()))


@second_step.post(
    "/passkeys/sign-in/options",
    response_model=OptionsAnswer,
    summary="Sign in: ask for a passkey alone",
    responses=responses(LocalAccountsOff),
    dependencies=[require_local_accounts()],
)
@limit("sign_in_request")
@not_idempotent("Each answer holds a challenge of its own.")
async def begin_passkey_sign_in(step: SecondStepDep) -> OptionsAnswer:
    """Options for `navigator.credentials.get()`, good for one answer. They tell nothing about anybody."""
    return OptionsAnswer(options=await step.passkey_options())


@second_step.post(
    "/passkeys/sign-in",
    response_model=TokenPair | CookieSession,
    summary="Sign in with a passkey",
    responses=responses(LocalAccountsOff, InvalidPasskey, CsrfFailed),
    dependencies=[require_local_accounts()],
)
@limit("sign_in")
@answers_secret
async def sign_in_with_passkey(
    body: PasskeySignIn, request: Request, response: Response, identity: IdentityDep, step: SecondStepDep
) -> TokenPair | CookieSession:
    """Both steps at once: the authenticator has verified the person, by a fingerprint or a PIN."""
    require_own_page(request, body.session)
    user, started = await step.by_passkey(body.passkey, body.session)
    return await signed_in(identity, response, user, started, body.session)


@step_up.post(
    "",
    status_code=204,
    summary="Prove once more that it is you",
    responses=responses(WrongPassword, WrongCode, StepUpRequired, TooManyAttempts, TooBusy),
)
@limit("sign_in")
@not_idempotent("What proves somebody works once; stepping up twice changes nothing.")
@requires_proof_when("always: the request is the proof")
async def step_up_session(body: StepUp, step: StepUpDep) -> None:
    """Opens what is sensitive to this session for some minutes. With second factors it takes one of those."""
    if body.password is not None:
        await step.by_password(body.password.get_secret_value())
    else:
        await step.by_factor(body)


@step_up.post("/options", response_model=OptionsAnswer, summary="Ask for a passkey to step up with")
@limit("sign_in_request")
@not_idempotent("Each answer holds a challenge of its own.")
@grants_nothing("A challenge alone opens nothing.")
async def begin_step_up(step: StepUpDep) -> OptionsAnswer:
    """Options for `navigator.credentials.get()`, good for one answer."""
    return OptionsAnswer(options=await step.options())
