"""Background work of identities: forgetting what has had its time."""

from datetime import timedelta
from uuid import UUID

from undercroft.core.db import utc_now
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.identities.pending_emails import PendingEmailService, retry_pending_emails
from undercroft.modules.identities.repository import IdentityRepository, SingleUseRepository

TOMBSTONE_LIFETIME = timedelta(days=30)
"""Far longer than a token is valid (24 hours at most) and than services send webhooks again."""


@task(retries=8, timeout=60, backoff=5)
async def apply_address(job: CurrentJob, *, identity_id: UUID) -> bool:
    """Move an account to its pending address; whether that address was free."""
    async with job.session() as session:
        return await PendingEmailService(session).apply(identity_id)


@cron("7 * * * *", timeout=600)
async def retry_addresses(job: CurrentJob) -> dict[str, int]:
    """Try all pending addresses again, should one have become free without a trace."""
    async with job.session() as session:
        return {"tried": await retry_pending_emails(session)}


@cron("41 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Forget states, webhook ids and codes that could not be used any more, and users whom their issuer deleted."""
    async with job.session() as session:
        forgotten = await SingleUseRepository(session).delete_expired(utc_now())
        ended = await IdentityRepository(session).delete_ended(utc_now() - TOMBSTONE_LIFETIME)
        return {"forgotten": forgotten, "ended": ended}
