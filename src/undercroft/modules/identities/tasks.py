"""Background work of identities: mails, and forgetting what has had its time."""

from datetime import datetime
from uuid import UUID

from undercroft.core.db import utc_now
from undercroft.core.settings import CoreSettings, load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.identities.notices import Notice
from undercroft.modules.identities.repository import OnceRepository
from undercroft.modules.users import UserRepository
from undercroft.providers.identity import label_of


@task(retries=8, timeout=60, backoff=5)
async def send_notice(job: CurrentJob, *, user_id: UUID, notice: Notice, provider: str, when: datetime) -> None:
    """Tell somebody at the address that they have now, unless the account is gone."""
    from undercroft.providers.email import email

    async with job.reading() as session:
        user = await UserRepository(session).find(user_id)
    if user is None:
        return
    data = {
        "name": user.full_name,
        "when": f"{when:%d %B %Y at %H:%M} UTC",
        "provider": label_of(provider),
        "link": load(CoreSettings).public_url,
    }
    await email().send(user.email, notice.value, data, key=job.id)


@cron("41 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Forget states, webhook ids and codes that could not be used any more."""
    async with job.session() as session:
        return {"forgotten": await OnceRepository(session).forget(utc_now())}
