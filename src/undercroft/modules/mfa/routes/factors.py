"""The current user's authenticator app and recovery codes."""

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router, require_step_up
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import returns_secret
from undercroft.core.http.limits import limit
from undercroft.core.http.step_up_policy import step_up_when
from undercroft.core.http.tags import Tag
from undercroft.modules.mfa import enrollment, totp
from undercroft.modules.mfa.enrollment import PENDING_LIFETIME, EnrollmentService
from undercroft.modules.mfa.errors import MfaNotEnabled, MfaRequiredByPolicy, TotpNotFound, TotpNotStarted, WrongCode
from undercroft.modules.mfa.schemas import (
    ConfirmTotp,
    MfaRead,
    PasskeyRead,
    RecoveryCodes,
    TotpConfirmed,
    TotpStarted,
)

TWO_FACTOR = Tag("Two-factor authentication", "Authenticator apps, passkeys and recovery codes.", group="Account")
REAUTHENTICATED = [require_step_up()]

mfa = Router(surface="auth", prefix="/mfa", tag=TWO_FACTOR)


@mfa.get("", response_model=MfaRead, summary="Get the second factors of the current user")
async def read_mfa(principal: CurrentPrincipal, session: ReadSessionDep) -> MfaRead:
    """Return the active factors, the number of unused recovery codes and the user's teams that require a second
    factor.
    """
    found = await enrollment.get_overview(session, principal.user_id)
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
    summary="Start the setup of an authenticator app",
    responses=responses(StepUpRequired),
    dependencies=REAUTHENTICATED,
)
@returns_secret
async def begin_totp(principal: CurrentPrincipal, session: SessionDep) -> TotpStarted:
    """Return a secret and its QR code. An app that is already set up stays valid until the new one is confirmed."""
    secret = await EnrollmentService(session, principal).begin_totp()
    uri = totp.provisioning_uri(secret, principal.subject["email"])
    return TotpStarted(
        secret=secret, uri=uri, qr_code=totp.qr_code(uri), expires_in=int(PENDING_LIFETIME.total_seconds())
    )


@mfa.post(
    "/totp/confirm",
    response_model=TotpConfirmed,
    summary="Confirm an authenticator app",
    responses=responses(TotpNotStarted, WrongCode),
)
@limit("sign_in")
@returns_secret
@step_up_when("the setup starts: without a pending secret there is nothing to confirm")
async def confirm_totp(body: ConfirmTotp, principal: CurrentPrincipal, session: SessionDep) -> TotpConfirmed:
    """Activate the pending app: sign-in requires a second factor from now on.

    If this is the user's first factor, the response contains recovery codes, which are shown only once.
    """
    change = await EnrollmentService(session, principal).confirm_totp(body.code)
    return TotpConfirmed(recovery_codes=change.recovery_codes)


@mfa.delete(
    "/totp",
    status_code=204,
    summary="Remove the authenticator app",
    responses=responses(TotpNotFound, MfaRequiredByPolicy, StepUpRequired),
    dependencies=REAUTHENTICATED,
)
async def remove_totp(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Remove the app. Removing the last factor turns two-factor authentication off; it fails with `MFA_NEEDED` if a
    team requires it.
    """
    await EnrollmentService(session, principal).remove_totp()


@mfa.post(
    "/recovery-codes",
    response_model=RecoveryCodes,
    summary="Generate new recovery codes",
    responses=responses(MfaNotEnabled, StepUpRequired),
    dependencies=REAUTHENTICATED,
)
@returns_secret
async def renew_recovery_codes(principal: CurrentPrincipal, session: SessionDep) -> RecoveryCodes:
    """Replace all recovery codes. The previous codes no longer work."""
    return RecoveryCodes(recovery_codes=await EnrollmentService(session, principal).renew_recovery_codes())
