"""Background tasks of identities."""

from datetime import timedelta
from uuid import UUID

from undercroft.core.db import utc_now
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.identities.repository import IdentityRepository, SingleUseRepository
from undercroft.modules.identities.service.pending_emails import PendingEmailService, retry_pending_emails

TOMBSTONE_LIFETIME = timedelta(days=30)
"""Longer than a token is valid (24 hours at most), and longer than services retry a webhook."""


@task(retries=8, timeout=60, backoff=5)
async def apply_address(job: CurrentJob, *, identity_id: UUID) -> bool:
    """Change an account's email to its pending address. Returns whether the address was free."""
    async with job.session() as session:
        return await PendingEmailService(session).apply(identity_id)


@cron("7 * * * *", timeout=600)
async def retry_addresses(job: CurrentJob) -> dict[str, int]:
    """Retry all pending addresses, in case one became free without an event."""
    async with job.session() as session:
        return {"retried": await retry_pending_emails(session)}


@cron("41 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete expired marks and codes, and tombstones of identities that their issuer deleted."""
    async with job.session() as session:
        deleted = await SingleUseRepository(session).delete_expired(utc_now())
        tombstones = await IdentityRepository(session).delete_tombstones(utc_now() - TOMBSTONE_LIFETIME)
        return {"deleted": deleted, "tombstones": tombstones}
