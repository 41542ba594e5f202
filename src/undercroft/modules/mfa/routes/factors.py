"""The current user's authenticator app, recovery codes and passkeys, and their reset by a superadmin."""

from uuid import UUID

from undercroft.core.auth import PlatformRole, StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, Page, PageNumberQueryDep, Router, Tag, When
from undercroft.modules.mfa.errors import (
    MfaNotEnabled,
    MfaRequiredByPolicy,
    PasskeyAlreadyRegistered,
    PasskeyNotFound,
    PasskeyRefused,
    TooManyPasskeys,
    TotpNotFound,
    TotpNotStarted,
    WrongCode,
)
from undercroft.modules.mfa.schemas import (
    ConfirmTotp,
    MfaRead,
    OptionsResponse,
    PasskeyCreate,
    PasskeyCreated,
    PasskeyRead,
    PasskeyUpdate,
    RecoveryCodesCreated,
    TotpConfirmed,
    TotpStarted,
)
from undercroft.modules.mfa.service.codes import provisioning_uri, qr_code
from undercroft.modules.mfa.service.factors import PENDING_LIFETIME, FactorService, reset
from undercroft.modules.mfa.service.second_factor import SECOND_FACTOR_FAILURES
from undercroft.modules.users import UserNotFound

TWO_FACTOR = Tag("MFA", "Second factors: authenticator apps, passkeys and recovery codes.", group="Account")

mfa = Router(surface="auth", prefix="/mfa", tag=TWO_FACTOR)
passkeys = Router(surface="auth", prefix="/passkeys", tag=TWO_FACTOR)
admin = Router(surface="admin", prefix="/users", tag="Users")


@mfa.get("", summary="Get the second factors of the current user")
async def read_mfa(principal: CurrentPrincipal, session: ReadSessionDep) -> MfaRead:
    """Return the active factors, the number of unused recovery codes and the user's teams that require a second
    factor.
    """
    return await FactorService(session, principal).read()


@mfa.post(
    "/totp",
    audit=Exempt("The app has no effect until it is confirmed."),
    step_up=True,
    idempotency="never_store",
    summary="Start the setup of an authenticator app",
    errors=(StepUpRequired,),
)
async def begin_totp(principal: CurrentPrincipal, session: SessionDep) -> TotpStarted:
    """Return a secret and its QR code. An app that is already set up stays valid until the new one is confirmed."""
    secret = await FactorService(session, principal).begin_totp()
    uri = provisioning_uri(secret, principal.subject["email"])
    return TotpStarted(secret=secret, uri=uri, qr_code=qr_code(uri), expires_in=int(PENDING_LIFETIME.total_seconds()))


@mfa.post(
    "/totp/confirm",
    audit=Audit("totp.enabled", on_failure=SECOND_FACTOR_FAILURES),
    step_up=When("the setup starts: without a pending secret there is nothing to confirm"),
    limit="sign_in",
    idempotency="never_store",
    summary="Confirm an authenticator app",
    errors=(TotpNotStarted, WrongCode),
)
async def confirm_totp(body: ConfirmTotp, principal: CurrentPrincipal, session: SessionDep) -> TotpConfirmed:
    """Activate the pending app: sign-in requires a second factor from now on.

    If this is the user's first factor, the response contains recovery codes, which are shown only once.
    """
    change = await FactorService(session, principal).confirm_totp(body.code)
    return TotpConfirmed(recovery_codes=change.recovery_codes)


@mfa.delete(
    "/totp",
    status_code=204,
    audit=Audit("totp.disabled", on_failure=SECOND_FACTOR_FAILURES),
    step_up=True,
    summary="Remove the authenticator app",
    errors=(TotpNotFound, MfaRequiredByPolicy, StepUpRequired),
)
async def remove_totp(principal: CurrentPrincipal, session: SessionDep) -> None:
    """Remove the app. Removing the last factor turns two-factor authentication off; it fails with
    `MFA_REQUIRED_BY_POLICY` if a team requires it.
    """
    await FactorService(session, principal).remove_totp()


@mfa.post(
    "/recovery-codes",
    audit=Audit("mfa.recovery_codes_renewed", on_failure=SECOND_FACTOR_FAILURES),
    step_up=True,
    idempotency="never_store",
    summary="Generate new recovery codes",
    errors=(MfaNotEnabled, StepUpRequired),
)
async def renew_recovery_codes(principal: CurrentPrincipal, session: SessionDep) -> RecoveryCodesCreated:
    """Replace all recovery codes. The previous codes no longer work."""
    return RecoveryCodesCreated(recovery_codes=await FactorService(session, principal).renew_recovery_codes())


@passkeys.get("", summary="List the passkeys of the current user")
async def list_passkeys(
    query: PageNumberQueryDep, principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[PasskeyRead]:
    """Sorted by creation time, oldest first."""
    return Page.of(await FactorService(session, principal).list_passkeys(query.paging), PasskeyRead.model_validate)


@passkeys.post(
    "/options",
    audit=Exempt("It only returns a challenge."),
    step_up=True,
    idempotency=Exempt("Each response contains a new challenge."),
    summary="Start the registration of a passkey",
    errors=(TooManyPasskeys, StepUpRequired),
)
async def begin_passkey(principal: CurrentPrincipal, session: SessionDep) -> OptionsResponse:
    """Return options for `navigator.credentials.create()`. They are valid for five minutes and one registration."""
    return OptionsResponse(options=await FactorService(session, principal).begin_passkey())


@passkeys.post(
    "",
    status_code=201,
    audit="passkey.added",
    step_up=True,
    idempotency="never_store",
    summary="Add a passkey",
    errors=(PasskeyRefused, PasskeyAlreadyRegistered, TooManyPasskeys, StepUpRequired),
)
async def add_passkey(body: PasskeyCreate, principal: CurrentPrincipal, session: SessionDep) -> PasskeyCreated:
    """Register a passkey. It can sign in without a password and works as a second factor.

    If this is the user's first factor, the response contains recovery codes, which are shown only once.
    """
    passkey, change = await FactorService(session, principal).add_passkey(body.name, body.credential)
    return PasskeyCreated(passkey=PasskeyRead.model_validate(passkey), recovery_codes=change.recovery_codes)


@passkeys.patch(
    "/{passkey_id}",
    audit=Audit("passkey.renamed", none_when="nothing changed"),
    step_up=Exempt("A name grants no access."),
    summary="Rename a passkey",
    errors=(PasskeyNotFound,),
)
async def rename_passkey(
    passkey_id: UUID, body: PasskeyUpdate, principal: CurrentPrincipal, session: SessionDep
) -> PasskeyRead:
    """Change the name of a passkey, which only its owner sees."""
    return PasskeyRead.model_validate(await FactorService(session, principal).rename_passkey(passkey_id, body.name))


@passkeys.delete(
    "/{passkey_id}",
    status_code=204,
    audit="passkey.removed",
    step_up=True,
    summary="Remove a passkey",
    errors=(PasskeyNotFound, MfaRequiredByPolicy, StepUpRequired),
)
async def remove_passkey(passkey_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Remove a passkey. Removing the last factor turns two-factor authentication off; it fails with
    `MFA_REQUIRED_BY_POLICY` if a team requires it.
    """
    await FactorService(session, principal).remove_passkey(passkey_id)


@admin.post(
    "/{user_id}/mfa/reset",
    status_code=204,
    role=PlatformRole.SUPERADMIN,
    audit=Audit("mfa.reset", none_when="the user has no second factor"),
    step_up=True,
    summary="Reset the second factors of a user",
    errors=(UserNotFound, StepUpRequired),
)
async def reset_mfa(user_id: UUID, session: SessionDep) -> None:
    """Remove all second factors and recovery codes of a user, revoke the user's sessions and notify the user by email.

    Requires a superadmin.
    """
    await reset(session, user_id)
