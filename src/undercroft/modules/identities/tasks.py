"""Background work of identities: forgetting what has had its time."""

from undercroft.core.db import utc_now
from undercroft.jobs import CurrentJob, cron
from undercroft.modules.identities.repository import OnceRepository


@cron("41 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Forget states, webhook ids and codes that could not be used any more."""
    async with job.session() as session:
        return {"forgotten": await OnceRepository(session).forget(utc_now())}
