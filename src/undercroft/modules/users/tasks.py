"""Background work for people: mails that tell them what was done to their account."""

from datetime import datetime
from uuid import UUID

from undercroft.core.settings import CoreSettings, load
from undercroft.jobs import CurrentJob, task
from undercroft.modules.users.repository import UserRepository


@task(retries=8, timeout=60, backoff=5)
async def send_notice(
    job: CurrentJob, *, user_id: UUID, template: str, when: datetime, facts: dict[str, str], where: str = ""
) -> None:
    """Email a user at their current address, unless the account is gone."""
    from undercroft.providers.email import Verbatim, email

    async with job.reading() as session:
        user = await UserRepository(session).find(user_id)
    if user is None:
        return
    moment = f"{when:%d %B %Y at %H:%M} UTC"
    data = {
        "name": user.full_name,
        "when": moment,
        "where": Verbatim(where),
        "link": load(CoreSettings).public_url,
        **facts,
    }
    await email().send(user.email, template, data, key=job.id)
