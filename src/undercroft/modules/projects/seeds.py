"""A few projects for the demo account."""

from sqlalchemy import select
from sqlmodel import col

from undercroft.core.db import Session
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.teams import Team
from undercroft.modules.users import User
from undercroft.modules.users.seeds import DEMO_EMAIL

DEMO = (
    ("Website", "The new one, with the pricing page.", ProjectStatus.ACTIVE),
    ("Mobile app", "First release for both stores.", ProjectStatus.ON_HOLD),
    ("Move to the new office", "Done, and the plants survived.", ProjectStatus.DONE),
)


async def seed(session: Session) -> None:
    """Give the demo account its projects, unless it has had any."""
    owner = (
        await session.execute(
            select(col(User.id), col(Team.id))
            .join(Team, col(Team.personal_user_id) == col(User.id))
            .where(col(User.email) == DEMO_EMAIL)
        )
    ).first()
    if owner is None:
        return
    user_id, team_id = owner
    projects = ProjectRepository(session, team_id)
    if await projects.count() or await projects.count(deleted=True):
        return
    await projects.create_many(
        Project(name=name, description=description, status=status, team_id=team_id, created_by=user_id)
        for name, description, status in DEMO
    )
