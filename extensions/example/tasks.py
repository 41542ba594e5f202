"""Background jobs. Their names begin with the name of the extension: `example.clean_up`."""

from datetime import timedelta
from uuid import UUID

from extensions.example.repository import DeviceRepository, delete_past
from extensions.example.settings import ExampleSettings

from undercroft.core.db import tenant, utc_now
from undercroft.core.settings import load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.teams import enqueue_for_each_team


@task(timeout=60)
async def check_devices(job: CurrentJob, *, team_id: UUID, device_id: UUID | None = None) -> int:
    """Mark the unchecked devices of a team, or only one of them, as working; returns their number."""
    with tenant(team_id):
        async with job.session() as session:
            return await DeviceRepository(session, team_id).mark_working(device_id)


@cron("11 3 * * *", timeout=600)
async def check_all_devices(job: CurrentJob) -> int:
    """Check the devices of every team, each in its own job; returns the number of teams."""
    async with job.session() as session:
        return await enqueue_for_each_team(session, check_devices)


@cron("29 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> int:
    """Delete bookings that ended more than EXAMPLE_KEEP_DAYS ago."""
    async with job.session() as session:
        return await delete_past(session, utc_now() - timedelta(days=load(ExampleSettings).keep_days))
