"""Tasks of teams: send invitations and notifications, delete expired data."""

from datetime import timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog

from undercroft.core.db import utc_now
from undercroft.core.security.tokens import hash_token, new_token
from undercroft.core.settings import CoreSettings, load
from undercroft.jobs import CurrentJob, cron, task
from undercroft.modules.teams.models import InvitationToken
from undercroft.modules.teams.repository.invitations import InvitationTokenRepository
from undercroft.modules.teams.repository.teams import TeamRepository
from undercroft.modules.teams.service.joining import INVITATION_PAGE
from undercroft.modules.teams.service.teams import purge_team, restorable_since
from undercroft.modules.users import UserRepository

INVITATION_RETENTION = timedelta(days=30)
PURGE_BATCH_SIZE = 1000
"""Maximum number of teams purged per night; the rest waits for the next night."""

log = structlog.get_logger("undercroft.application")


@task(retries=8, timeout=60, backoff=5)
async def send_invitation(job: CurrentJob, *, invitation_id: UUID) -> None:
    """Email an invitation. Each attempt makes its own token, so that the link works whichever email arrives."""
    from undercroft.providers.email import get_mailer

    token = new_token()
    async with job.session() as session:
        invited = await InvitationTokenRepository(session).lock_for_sending(invitation_id)
        if invited is None:
            log.info("email.skipped", job_id=str(job.id))
            return
        session.add(InvitationToken(token_hash=hash_token(token), invitation_id=invitation_id))
    invitation = invited.invitation
    data = {
        "team": invited.team_name,
        "inviter": invited.inviter,
        "inviter_email": invited.inviter_email,
        "role": invitation.role,
        "link": f"{load(CoreSettings).public_url}{INVITATION_PAGE}?{urlencode({'token': token})}",
        "until": f"{invitation.expires_at:%d %B %Y at %H:%M} UTC",
    }
    await get_mailer().send(invitation.email, "teams/invitation", data, key=job.id)


@task(retries=8, timeout=60, backoff=5)
async def send_notification(
    job: CurrentJob, *, user_id: UUID, template: str, team_id: UUID, about: UUID | None, domains: list[str]
) -> None:
    """Email a user about a team, unless the account or the team no longer exists."""
    from undercroft.providers.email import TrustedText, get_mailer

    async with job.read_session() as session:
        users = UserRepository(session)
        user, team = await users.find(user_id), await TeamRepository(session).find(team_id)
        subject = await users.find(about) if about else None
    if user is None or not user.is_active or team is None or (about and subject is None):
        log.info("email.skipped", job_id=str(job.id))
        return
    data = {
        "name": user.full_name,
        "team": team.name,
        "member": subject.full_name if subject else "",
        "member_email": subject.email if subject else "",
        "domains": TrustedText(", ".join(domains)),
        "link": load(CoreSettings).public_url,
    }
    await get_mailer().send(user.email, template, data, key=job.id)


@cron("41 3 * * *", timeout=600)
async def clean_up(job: CurrentJob) -> dict[str, int]:
    """Purge teams after the restore period with all their data, and delete old invitations."""
    async with job.session() as session:
        invitations = await InvitationTokenRepository(session).delete_old(utc_now() - INVITATION_RETENTION)
        expired = await TeamRepository(session).deleted_before(restorable_since(), PURGE_BATCH_SIZE)
    purged = [await _purge(job, team_id) for team_id in expired]
    return {"teams": sum(purged), "invitations": invitations}


async def _purge(job: CurrentJob, team_id: UUID) -> bool:
    """Purge a team in its own transaction; return False if it has been restored."""
    async with job.session() as session:
        teams = TeamRepository(session)
        team = await teams.lock_with_deleted(team_id)
        if team.deleted_at is None or team.deleted_at >= restorable_since():
            return False
        await purge_team(session, team)
        return True
