"""Making partitions before their month begins, and erasing who has gone."""

from uuid import UUID

from undercroft.core.audit import Entry, record
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.audit.erasure import erase_values
from undercroft.modules.audit.partitions import add_partitions


@task(retries=8, name="audit.erase")
async def erase(job: CurrentJob, *, user_id: UUID) -> dict[str, int]:
    """Erase what was still recorded about somebody when the account was deleted."""
    async with job.session() as session:
        return {"erased": await erase_values(session, user_id)}


@cron("11 4 * * *", name="audit.add_partitions")
async def make_partitions(job: CurrentJob) -> dict[str, int]:
    """Keep a year of partitions ahead; what no month fits goes to the default one."""
    async with job.session() as session:
        made = await add_partitions(session)
        if made:
            await record(session, Entry("audit.partitions_added", target_type="audit", after={"partitions": made}))
    return {"partitions": made}
