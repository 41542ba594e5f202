"""Background jobs. Their names begin with the name of the extension: `example.confirm_booking`."""

from datetime import datetime, timedelta
from uuid import UUID

from extensions.example.repository import DeviceRepository, delete_past, find_booking
from extensions.example.settings import ExampleSettings

from undercroft.core.db import tenant, utc_now
from undercroft.core.settings import load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.teams import enqueue_for_each_team
from undercroft.modules.users import UserRepository
from undercroft.providers.email import get_mailer


@task(retries=8, timeout=60, backoff=5)
async def confirm_booking(job: CurrentJob, *, booking_id: UUID) -> None:
    """Email a confirmation to the user who booked the room, unless the booking was canceled."""
    async with job.read_session() as session:
        found = await find_booking(session, booking_id)
        user = await UserRepository(session).find(found.booked_by) if found and found.booked_by else None
    if found is None or user is None:
        return
    data = {
        "name": user.full_name,
        "room": found.room,
        "starts": _format(found.starts_at),
        "ends": _format(found.ends_at),
    }
    await get_mailer().send(user.email, "example/booking_confirmed", data, key=job.id)


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


def _format(moment: datetime) -> str:
    return f"{moment:%d %B %Y at %H:%M} UTC"
