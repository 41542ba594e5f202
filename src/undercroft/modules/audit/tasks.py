"""Create partitions in advance."""

from undercroft.core.audit import Entry, record
from undercroft.jobs import CurrentJob, cron
from undercroft.modules.audit.repository import PartitionRepository


@cron("11 4 * * *", name="audit.add_partitions")
async def create_partitions(job: CurrentJob) -> dict[str, int]:
    """Create partitions for the next 12 months. Rows without a matching month go to the default partition."""
    async with job.session() as session:
        created = await PartitionRepository(session).add()
        if created:
            await record(session, Entry("audit.partitions_added", target_type="audit", after={"partitions": created}))
    return {"partitions": created}
