"""Making partitions before their month begins."""

from undercroft.core.audit import Entry, record
from undercroft.jobs import CurrentJob, cron
from undercroft.modules.audit.partitions import add_partitions


@cron("11 4 * * *", name="audit.add_partitions")
async def create_partitions(job: CurrentJob) -> dict[str, int]:
    """Keep a year of partitions ahead; what no month fits goes to the default one."""
    async with job.session() as session:
        made = await add_partitions(session)
        if made:
            await record(session, Entry("audit.partitions_added", target_type="audit", after={"partitions": made}))
    return {"partitions": made}
