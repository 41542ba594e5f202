"""Background tasks of second factors."""

from undercroft.core.db import utc_now
from undercroft.jobs import CurrentJob, cron
from undercroft.modules.mfa.repository import delete_expired


@cron("53 * * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete expired challenges and pending sign-ins."""
    async with job.session() as session:
        return {"deleted": await delete_expired(session, utc_now())}
