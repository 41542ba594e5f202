"""Background work of second factors: mails, and forgetting what has expired."""

from datetime import datetime
from uuid import UUID

from undercroft.core.db import utc_now
from undercroft.core.settings import CoreSettings, load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.auth import RESET_PAGE, link
from undercroft.modules.mfa.notices import Notice
from undercroft.modules.mfa.repository import forget_expired
from undercroft.modules.users import UserRepository


@task(retries=8, timeout=60, backoff=5)
async def send_notice(job: CurrentJob, *, user_id: UUID, notice: Notice, when: datetime, facts: dict[str, str]) -> None:
    """Tell somebody at the address that they have now, unless the account is gone."""
    from undercroft.providers.email import email

    async with job.reading() as session:
        user = await UserRepository(session).find(user_id)
    if user is None:
        return
    data = {
        "name": user.full_name,
        "when": f"{when:%d %B %Y at %H:%M} UTC",
        "reset_link": link(RESET_PAGE),
        "link": load(CoreSettings).public_url,
        **facts,
    }
    await email().send(user.email, notice.value, data, key=job.id)


@cron("53 * * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Forget challenges and unfinished sign-ins that have had their time."""
    async with job.session() as session:
        return {"forgotten": await forget_expired(session, utc_now())}
