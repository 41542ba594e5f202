"""Background tasks of the auth module: emails and cleanup."""

from datetime import timedelta
from uuid import UUID

import structlog

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session, utc_now
from undercroft.core.settings import load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.auth import throttle
from undercroft.modules.auth.emails import MailContent, build_mail, build_verification_mail
from undercroft.modules.auth.models import MailPurpose
from undercroft.modules.auth.repository import (
    MailRequestRepository,
    RefreshTokenRepository,
    RegistrationRepository,
    SessionRepository,
    delete_expired_links,
)
from undercroft.modules.auth.settings import AuthSettings

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
            await MailRequestRepository(session).remove(request_id)


@cron("23 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete expired links, registrations, sessions, refresh tokens and throttle counters."""
    now = utc_now()
    async with job.session() as session:
        links = await delete_expired_links(session, now)
        await throttle.delete_expired(session)
        await _record_removal(session, "links.expired", links)
    async with job.session() as session:
        used = await RefreshTokenRepository(session).delete_expired(now - load(AuthSettings).idle_timeout)
        sessions = await SessionRepository(session).delete_expired(now - timedelta(days=30))
        await _record_removal(session, "sessions.expired", sessions)
    return {"links": links, "refresh_tokens": used, "sessions": sessions}


async def _record_removal(session: Session, action: str, removed: int) -> None:
    if removed:
        await record(session, Entry(action, after={"removed": removed}))


async def _send(job: CurrentJob, content: MailContent | None) -> None:
    from undercroft.providers.email import get_mailer

    if content is None:
        log.info("email.skipped", job_id=str(job.id))
        return
    await get_mailer().send(content.to, content.template, content.data, key=job.id)
