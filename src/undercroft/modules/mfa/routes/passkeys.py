"""One's own passkeys."""

from typing import Annotated
from uuid import UUID

from undercroft.core.auth import CurrentPrincipal, Router, StepUpRequired, require_recent_proof
from undercroft.core.auth.widening import grants_nothing
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http.errors import responses
from undercroft.core.http.idempotency import answers_secret, not_idempotent
from undercroft.core.http.pagination import NumberedQuery, Page
from undercroft.core.http.query import query
from undercroft.modules.mfa import enrolment
from undercroft.modules.mfa.enrolment import Enrolment
from undercroft.modules.mfa.errors import MfaNeeded, PasskeyKnown, PasskeyNotFound, PasskeyRefused, TooManyPasskeys
from undercroft.modules.mfa.routes.factors import TWO_STEPS
from undercroft.modules.mfa.schemas import OptionsAnswer, PasskeyCreate, PasskeyCreated, PasskeyRead, PasskeyUpdate

PROVEN = [require_recent_proof()]

passkeys = Router(surface="auth", prefix="/passkeys", tag=TWO_STEPS)


@passkeys.get("", response_model=Page[PasskeyRead], summary="List one's own passkeys")
async def list_passkeys(
    query: Annotated[NumberedQuery, query(NumberedQuery)], principal: CurrentPrincipal, session: ReadSessionDep
) -> Page[PasskeyRead]:
    """The oldest first."""
    found = await enrolment.passkeys(session, principal.user_id, page=query.page, size=query.size)
    items = [PasskeyRead.of(each) for each in found.items]
    return Page.of(items, total=found.total, page=query.page, size=query.size)


@passkeys.post(
    "/options",
    response_model=OptionsAnswer,
    summary="Begin to add a passkey",
    responses=responses(TooManyPasskeys, StepUpRequired),
    dependencies=PROVEN,
)
@not_idempotent("Each answer holds a challenge of its own.")
async def begin_passkey(principal: CurrentPrincipal, session: SessionDep) -> OptionsAnswer:
    """Options for `navigator.credentials.create()`, good for five minutes and one passkey."""
    return OptionsAnswer(options=await Enrolment(session, principal).begin_passkey())


@passkeys.post(
    "",
    status_code=201,
    response_model=PasskeyCreated,
    summary="Add a passkey",
    responses=responses(PasskeyRefused, PasskeyKnown, TooManyPasskeys, StepUpRequired),
    dependencies=PROVEN,
)
@answers_secret
async def add_passkey(body: PasskeyCreate, principal: CurrentPrincipal, session: SessionDep) -> PasskeyCreated:
    """From now on it signs in by itself, or as the second step. With the first factor come recovery codes."""
    passkey, change = await Enrolment(session, principal).add_passkey(body.name, body.credential)
    return PasskeyCreated(passkey=PasskeyRead.of(passkey), recovery_codes=change.codes)


@passkeys.patch(
    "/{passkey_id}", response_model=PasskeyRead, summary="Rename a passkey", responses=responses(PasskeyNotFound)
)
@grants_nothing("A name opens nothing.")
async def rename_passkey(
    passkey_id: UUID, body: PasskeyUpdate, principal: CurrentPrincipal, session: SessionDep
) -> PasskeyRead:
    return PasskeyRead.of(await Enrolment(session, principal).rename_passkey(passkey_id, body.name))


@passkeys.delete(
    "/{passkey_id}",
    status_code=204,
    summary="Remove a passkey",
    responses=responses(PasskeyNotFound, MfaNeeded, StepUpRequired),
    dependencies=PROVEN,
)
async def remove_passkey(passkey_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """With the last factor two-step sign-in is off, unless a team asks for it."""
    await Enrolment(session, principal).remove_passkey(passkey_id)
