"""The mailbox API, for tests and scripts."""

from typing import Annotated

from fastapi import Depends, Query, Response

from undercroft.core.http import Exempt, Router
from undercroft.modules.mailbox.dependencies import require_local_client
from undercroft.modules.mailbox.repository import MailboxRepository
from undercroft.modules.mailbox.schemas import MailList, MailRead

router = Router(surface="root", prefix="/dev/mailbox", dependencies=[Depends(require_local_client)])


@router.get("/messages", limit=None)
async def list_mails(
    response: Response,
    to: Annotated[str, Query(max_length=254)] = "",
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> MailList:
    """List emails, newest first; `to` filters by recipient."""
    response.headers["Cache-Control"] = "no-store"
    mails = await MailboxRepository().list_newest(to=to, limit=limit)
    return MailList(items=[MailRead.model_validate(mail) for mail in mails])


@router.delete("/messages", status_code=204, audit=Exempt("It deletes files of the development mailbox."), limit=None)
async def empty_mailbox() -> None:
    """Delete all emails."""
    await MailboxRepository().clear()
