"""Background tasks of sessions."""

from datetime import timedelta

from undercroft.core.audit import Entry, record
from undercroft.core.db import utc_now
from undercroft.core.settings import load
from undercroft.jobs import CurrentJob, cron
from undercroft.modules.sessions.repository.sessions import RefreshTokenRepository, SessionRepository
from undercroft.modules.sessions.settings import SessionSettings

RETENTION = timedelta(days=30)
"""How long an ended session is stored."""


@cron("27 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Delete used refresh tokens, and sessions that ended 30 days ago."""
    now = utc_now()
    async with job.session() as session:
        used = await RefreshTokenRepository(session).delete_expired(now - load(SessionSettings).idle_timeout)
        sessions = await SessionRepository(session).delete_expired(now - RETENTION)
        if sessions:
            await record(session, Entry("sessions.expired", after={"removed": sessions}))
    return {"refresh_tokens": used, "sessions": sessions}
