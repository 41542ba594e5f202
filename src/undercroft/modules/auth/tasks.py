"""Background tasks of the auth module: emails and cleanup."""

from uuid import UUID

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import utc_now
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.repository import MailRequestRepository, RegistrationRepository, delete_expired_links
from undercroft.modules.auth.service import throttle
from undercroft.modules.auth.service.emails import MailContent, build_mail, build_verification_mail

log = structlog.get_logger("undercroft.application")


@task(retries=8, timeout=60, backoff=5)
async def send_verification(job: CurrentJob, *, registration_id: UUID) -> None:
    """Send the email for a registration. Each attempt creates a new token."""
    async with job.session() as session:
        content = await build_verification_mail(session, await RegistrationRepository(session).find(registration_id))
    await _send(job, content)


@task(retries=8, timeout=60, backoff=5)
async def send_mail(job: CurrentJob, *, request_id: UUID) -> None:
    """Send the email of a request. Each attempt creates a new token.

    The request is deleted once the email is sent, except for email changes, whose link refers to the request.
    """
    async with job.session() as session:
        request = await MailRequestRepository(session).find(request_id)
        content = await build_mail(session, request) if request else None
    await _send(job, content)
    if request is not None and request.purpose != MailPurpose.CONFIRM_EMAIL:
        async with job.session() as session:
            await MailRequestRepository(session).delete_by(id=request_id)


@cron("23 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete expired links, registrations and throttle counters."""
    async with job.session() as session:
        links = await delete_expired_links(session, utc_now())
        await throttle.delete_expired(session)
        if links:
            await record(session, Entry("links.expired", after={"removed": links}))
    return {"links": links}


async def _send(job: CurrentJob, content: MailContent | None) -> None:
    from undercroft.providers.email import get_mailer

    if content is None:
        log.info("email.skipped", job_id=str(job.id))
        return
    await get_mailer().send(content.to, f"auth/{content.template}", content.data, key=job.id)
