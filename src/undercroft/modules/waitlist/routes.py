"""Routes with which administrators use the waiting list."""

from typing import Annotated
from uuid import UUID

from undercroft.core.db import ReadSessionDep, SessionDep, UnknownSort
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, InvalidCursor, Page, Router, Tag
from undercroft.core.http.query import query
from undercroft.modules.waitlist.errors import WaitlistEntryNotFound
from undercroft.modules.waitlist.repository import WaitlistRepository
from undercroft.modules.waitlist.schemas import WaitlistEntryRead, WaitlistInvite, WaitlistInvited, WaitlistQuery
from undercroft.modules.waitlist.service import WaitlistService

WAITLIST = Tag("Waiting list", "Addresses that wait for an account.", group="Administration")

admin = Router(surface="admin", prefix="/waitlist", tag=WAITLIST)


@admin.get("", summary="List the waiting list", errors=(UnknownSort, InvalidCursor))
async def list_waitlist(
    query: Annotated[WaitlistQuery, query(WaitlistQuery)], session: ReadSessionDep
) -> Page[WaitlistEntryRead]:
    """Returns entries, oldest first; `q` matches parts of email addresses. With a cursor, the newest are first."""
    where = WaitlistRepository.matching(state=query.state)
    return Page.of(await WaitlistService(session).list(query.paging, *where), WaitlistEntryRead.model_validate)


@admin.post(
    "/invite",
    audit=Audit("waitlist.invited", none_when="no entry is left to invite"),
    step_up=Exempt("An invitation only lets its owner sign up."),
    summary="Invite from the waiting list",
    errors=(WaitlistEntryNotFound,),
)
async def invite_from_waitlist(
    body: WaitlistInvite, principal: CurrentPrincipal, session: SessionDep
) -> WaitlistInvited:
    """Emails each entry a link to create the account, which expires. Inviting an entry again sends a new link.

    Entries whose address has an account are skipped. If one of `entry_ids` does not exist, no one is invited.
    """
    waitlist = WaitlistService(session, principal.user_id)
    if body.entry_ids is not None:
        return WaitlistInvited(invited=await waitlist.invite(body.entry_ids))
    return WaitlistInvited(invited=await waitlist.invite_next(body.count or 0))


@admin.delete(
    "/{entry_id}",
    status_code=204,
    audit="waitlist.removed",
    step_up=Exempt("It only removes access."),
    summary="Remove from the waiting list",
    errors=(WaitlistEntryNotFound,),
)
async def remove_from_waitlist(entry_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Deletes the entry; its invitation no longer works. The address can join the list again."""
    await WaitlistService(session, principal.user_id).remove(entry_id)
