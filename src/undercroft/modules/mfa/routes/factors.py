"""One's own authenticator app and recovery codes."""

from undercroft.core.auth import CurrentPrincipal, Router, StepUpRequired, require_recent_proof
from undercroft.core.auth.widening import requires_proof_when
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import answers_secret
from undercroft.core.http.limits import limit
from undercroft.core.http.tags import Tag
from undercroft.modules.mfa import enrolment, totp
from undercroft.modules.mfa.enrolment import PENDING_LIFE, Enrolment
from undercroft.modules.mfa.errors import MfaNeeded, MfaNotEnabled, TotpNotFound, TotpNotStarted, WrongCode
from undercroft.modules.mfa.schemas import (
    ConfirmTotp,
    MfaRead,
    PasskeyRead,
    RecoveryCodes,
    TotpConfirmed,
    TotpStarted,
)

TWO_STEPS = Tag("Two-step sign-in", "Authenticator apps, passkeys and recovery codes.", group="Account")
PROVEN = [require_recent_proof()]

mfa = Router(surface="auth", prefix="/mfa", tag=TWO_STEPS)


@mfa.get("", response_model=MfaRead, summary="Read one's own second factors")
async def read_mfa(principal: CurrentPrincipal, session: ReadSessionDep) -> MfaRead:
    """What is on, how many recovery codes are left, and which of one's teams ask for it."""
    found = await enrolment.overview(session, principal.user_id)
    return MfaRead(
        enabled=found.totp or bool(found.passkeys),
        totp=found.totp,
        passkeys=[PasskeyRead.of(each) for each in found.passkeys],
        recovery_codes_left=found.recovery_codes_left,
        required_by=found.required_by,
    )


@mfa.post(
    "/totp",
    response_model=TotpStarted,
    summary="Begin to set up an authenticator app",
    responses=responses(StepUpRequired),
    dependencies=PROVEN,
)
@answers_secret
async def begin_totp(principal: CurrentPrincipal, session: SessionDep) -> TotpStarted:
    """Nothing changes before it is confirmed with a code; an app that is in use stays so until then."""
    secret = await Enrolment(session, principal).begin_totp()
    uri = totp.uri(secret, principal.subject["email"])
    return TotpStarted(secret=secret, uri=uri, qr_code=totp.qr_code(uri), expires_in=int(PENDING_LIFE.total_seconds()))


@mfa.post(
    "/totp/confirm",
    response_model=TotpConfirmed,
    summary="Confirm an authenticator app",
    responses=responses(TotpNotStarted, WrongCode),
)
@limit("sign_in")
@answers_secret
@requires_proof_when("the app was begun: without that there is no secret that a code could be of")
async def confirm_totp(body: ConfirmTotp, principal: CurrentPrincipal, session: SessionDep) -> TotpConfirmed:
    """From now on signing in asks for its codes. With the first factor come recovery codes, shown this once."""
    change = await Enrolment(session, principal).confirm_totp(body.code)
    return TotpConfirmed(recovery_codes=change.codes)


@mfa.delete(
    "/totp",
    status_code=204,
    summary="Remove the authenticator app",
    responses=responses(TotpNotFound, MfaNeeded, StepUpRequired),
    dependencies=PROVEN,
)
async def remove_totp(principal: CurrentPrincipal, session: SessionDep) -> None:
    """With the last factor two-step sign-in is off, unless a team asks for it."""
    await Enrolment(session, principal).remove_totp()


@mfa.post(
    "/recovery-codes",
    response_model=RecoveryCodes,
    summary="Get new recovery codes",
    responses=responses(MfaNotEnabled, StepUpRequired),
    dependencies=PROVEN,
)
@answers_secret
async def renew_recovery_codes(principal: CurrentPrincipal, session: SessionDep) -> RecoveryCodes:
    """The earlier ones are void."""
    return RecoveryCodes(recovery_codes=await Enrolment(session, principal).renew_recovery_codes())
