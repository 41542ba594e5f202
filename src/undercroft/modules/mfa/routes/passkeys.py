"""The current user's passkeys."""

from typing import Annotated
from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router, require_step_up
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import idempotency_exempt, returns_secret
from undercroft.core.http.pagination import Page, PageNumberQuery
from undercroft.core.http.query import query
from undercroft.core.http.step_up_policy import step_up_exempt
from undercroft.modules.mfa import enrollment
from undercroft.modules.mfa.enrollment import EnrollmentService
from undercroft.modules.mfa.errors import (
    MfaRequiredByPolicy,
    PasskeyAlreadyRegistered,
    PasskeyNotFound,
    PasskeyRefused,
    TooManyPasskeys,
)
from undercroft.modules.mfa.routes.factors import TWO_FACTOR
from undercroft.modules.mfa.schemas import OptionsResponse, PasskeyCreate, PasskeyCreated, PasskeyRead, PasskeyUpdate

REAUTHENTICATED = [require_step_up()]

passkeys = Router(surface="auth", prefix="/passkeys", tag=TWO_FACTOR)


@passkeys.get("", response_model=Page[PasskeyRead], summary="List the passkeys of the current user")
async def list_passkeys(
    query: Annotated[PageNumberQuery, query(PageNumberQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[PasskeyRead]:
    """Sorted by creation time, oldest first."""
    found = await enrollment.list_passkeys(session, principal.user_id, page=query.page, size=query.size)
    items = [PasskeyRead.of(each) for each in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@passkeys.post(
    "/options",
    response_model=OptionsResponse,
    summary="Start the registration of a passkey",
    responses=responses(TooManyPasskeys, StepUpRequired),
    dependencies=REAUTHENTICATED,
)
@idempotency_exempt("Each response contains a new challenge.")
async def begin_passkey(principal: CurrentPrincipal, session: SessionDep) -> OptionsResponse:
    """Return options for `navigator.credentials.create()`. They are valid for five minutes and one registration."""
    return OptionsResponse(options=await EnrollmentService(session, principal).begin_passkey())


@passkeys.post(
    "",
    status_code=201,
    response_model=PasskeyCreated,
    summary="Add a passkey",
    responses=responses(PasskeyRefused, PasskeyAlreadyRegistered, TooManyPasskeys, StepUpRequired),
    dependencies=REAUTHENTICATED,
)
@returns_secret
async def add_passkey(body: PasskeyCreate, principal: CurrentPrincipal, session: SessionDep) -> PasskeyCreated:
    """Register a passkey. It can sign in without a password and works as a second factor.

    If this is the user's first factor, the response contains recovery codes, which are shown only once.
    """
    passkey, change = await EnrollmentService(session, principal).add_passkey(body.name, body.credential)
    return PasskeyCreated(passkey=PasskeyRead.of(passkey), recovery_codes=change.recovery_codes)


@passkeys.patch(
    "/{passkey_id}", response_model=PasskeyRead, summary="Rename a passkey", responses=responses(PasskeyNotFound)
)
@step_up_exempt("A name grants no access.")
async def rename_passkey(
    passkey_id: UUID, body: PasskeyUpdate, principal: CurrentPrincipal, session: SessionDep
) -> PasskeyRead:
    return PasskeyRead.of(await EnrollmentService(session, principal).rename_passkey(passkey_id, body.name))


@passkeys.delete(
    "/{passkey_id}",
    status_code=204,
    summary="Remove a passkey",
    responses=responses(PasskeyNotFound, MfaRequiredByPolicy, StepUpRequired),
    dependencies=REAUTHENTICATED,
)
async def remove_passkey(passkey_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Remove a passkey. Removing the last factor turns two-factor authentication off; it fails with `MFA_NEEDED` if a
    team requires it.
    """
    await EnrollmentService(session, principal).remove_passkey(passkey_id)
