"""Demo projects."""

from undercroft.core.audit import Entry, record
from undercroft.core.db import Session, tenant
from undercroft.modules.projects.models import Project, ProjectStatus
from undercroft.modules.projects.repository import ProjectRepository
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import DEMO_EMAIL, UserRepository

DEMO_PROJECTS = (
    ("Website", "The new website, with the pricing page.", ProjectStatus.ACTIVE),
    ("Mobile app", "First release for both stores.", ProjectStatus.ON_HOLD),
    ("Move to the new office", "Completed in March.", ProjectStatus.DONE),
)


async def seed(session: Session) -> None:
    """Create the projects of the demo account, unless it has had any."""
    user = await UserRepository(session).get_by(email=DEMO_EMAIL)
    team = await TeamRepository(session).get_personal(user.id) if user else None
    if user is None or team is None:
        return
    with tenant(team.id):
        projects = ProjectRepository(session, team.id)
        if await projects.count() or await projects.count(deleted=True):
            return
        created = await projects.create_many(
            Project(name=name, description=description, status=status, team_id=team.id, created_by=user.id)
            for name, description, status in DEMO_PROJECTS
        )
        for project in created:
            after = {"name": project.name, "description": project.description, "status": project.status}
            await record(session, Entry("project.created", user.id, "project", project.id, team.id, after=after))
