"""Tasks of users: emails about changes of accounts, and erasure of deleted accounts."""

from datetime import datetime, timedelta
from uuid import UUID

from undercroft.core.db import utc_now
from undercroft.core.settings import CoreSettings, load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.users.repository import UserRepository
from undercroft.modules.users.service import erase_deleted

ERASURE_REPEAT_PERIOD = timedelta(days=8)
"""How long the erasure is repeated every night: the latest time at which a job about the user may end."""


@task(retries=8, timeout=60, backoff=5)
async def send_notification(
    job: CurrentJob, *, user_id: UUID, template: str, when: datetime, facts: dict[str, str], where: str = ""
) -> None:
    """Email a user at the current address, unless the account no longer exists."""
    from undercroft.providers.email import TrustedText, get_mailer

    async with job.read_session() as session:
        user = await UserRepository(session).find(user_id)
    if user is None:
        return
    moment = f"{when:%d %B %Y at %H:%M} UTC"
    data = {
        "name": user.full_name,
        "when": moment,
        "where": TrustedText(where),
        "link": load(CoreSettings).public_url,
        **facts,
    }
    await get_mailer().send(user.email, template, data, key=job.id)


@task(retries=8, timeout=600)
async def erase(job: CurrentJob, *, user_id: UUID) -> dict[str, int]:
    """Erase a deleted user from every table that stores something about them."""
    async with job.session() as session:
        return await erase_deleted(session, user_id)


@cron("31 2 * * *", timeout=3600)
async def erase_recently_deleted(job: CurrentJob) -> dict[str, int]:
    """Repeat the erasure for recently deleted users, for data that arrived late."""
    async with job.read_session() as session:
        users = await UserRepository(session).deleted_since(utc_now() - ERASURE_REPEAT_PERIOD)
    for user_id in users:
        async with job.session() as session:
            await erase_deleted(session, user_id)
    return {"users": len(users)}
