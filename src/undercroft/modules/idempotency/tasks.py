"""Deletes expired keys."""

from undercroft.core.db import utc_now
from undercroft.jobs import CurrentJob, cron
from undercroft.modules.idempotency.repository import IdempotencyKeyRepository

BATCH_SIZE = 1000


@cron("41 * * * *", name="idempotency.clean_up", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete keys after IDEMPOTENCY_HOURS."""
    keys = 0
    while deleted := await _delete_batch(job):
        keys += deleted
    return {"keys": keys}


async def _delete_batch(job: CurrentJob) -> int:
    async with job.session() as session:
        return await IdempotencyKeyRepository(session).delete_expired(now=utc_now(), limit=BATCH_SIZE)
