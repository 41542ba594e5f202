"""Background tasks of the waiting list: emails and retention."""

from datetime import timedelta
from uuid import UUID

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session, utc_now
from undercroft.core.settings import load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.auth import create_sign_up_link
from undercroft.modules.waitlist.models import WaitlistEntry, WaitlistState
from undercroft.modules.waitlist.repository import WaitlistRepository
from undercroft.modules.waitlist.settings import WaitlistSettings

log = structlog.get_logger("undercroft.application")


@task(retries=8, timeout=60, backoff=5)
async def send_invitation(job: CurrentJob, *, entry_id: UUID) -> None:
    """Send the link to sign up. Each attempt creates a new one."""
    async with job.session() as session:
        entry = await _find_without_account(session, entry_id)
        data = await _build_invitation(session, entry) if entry is not None else None
    await _send(job, entry, "waitlist/invited", data)


@task(retries=8, timeout=60, backoff=5)
async def send_confirmation(job: CurrentJob, *, entry_id: UUID) -> None:
    """Confirm a sign-up to the address: it waits, or was invited before and gets its invitation again."""
    template: str = "waitlist/waiting"
    data: dict[str, str] | None = None
    async with job.session() as session:
        entry = await _find_without_account(session, entry_id)
        if entry is not None and entry.state == WaitlistState.WAITING:
            data = {}
        elif entry is not None and _was_invited_before(entry):  # otherwise the other job sends the invitation
            template, data = "waitlist/invited", await _build_invitation(session, entry)
    await _send(job, entry, template, data)


@cron("47 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete old entries."""
    before = utc_now() - timedelta(days=load(WaitlistSettings).waitlist_retention_days)
    async with job.session() as session:
        removed = await WaitlistRepository(session).delete_older(before)
        if removed:
            await record(session, Entry("waitlist.expired", after={"removed": removed}))
    return {"entries": removed}


async def _find_without_account(session: Session, entry_id: UUID) -> WaitlistEntry | None:
    """Return an entry, unless it was removed or an account has the address now."""
    entries = WaitlistRepository(session)
    return None if await entries.complete(entry_id) else await entries.find(entry_id)


def _was_invited_before(entry: WaitlistEntry) -> bool:
    return entry.invited_at is not None and entry.mailed_at is not None and entry.invited_at < entry.mailed_at


async def _build_invitation(session: Session, entry: WaitlistEntry) -> dict[str, str] | None:
    """Return the data of the email; None if the entry is not invited, or not anymore."""
    until = entry.invitation_expires_at
    if entry.state != WaitlistState.INVITED or until is None or until <= utc_now():
        return None
    link = await create_sign_up_link(session, entry.email, expires_at=until)
    return {"link": link, "until": f"{until:%d %B %Y at %H:%M} UTC"}


async def _send(job: CurrentJob, entry: WaitlistEntry | None, template: str, data: dict[str, str] | None) -> None:
    from undercroft.providers.email import get_mailer

    if entry is None or data is None:
        log.info("email.skipped", job_id=str(job.id))
        return
    await get_mailer().send(entry.email, template, data, key=job.id)
