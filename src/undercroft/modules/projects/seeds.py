"""Demo projects."""

from undercroft.core.db import Session, tenant
from undercroft.modules.projects.models import ProjectBase, ProjectStatus
from undercroft.modules.projects.resources import ProjectResource
from undercroft.modules.teams import TeamRepository
from undercroft.modules.users import DEMO_EMAIL, UserRepository

DEMO_PROJECTS = (
    ProjectBase(name="Website", description="The new website, with the pricing page."),
    ProjectBase(name="Mobile app", description="First release for both stores.", status=ProjectStatus.ON_HOLD),
    ProjectBase(name="Move to the new office", description="Completed in March.", status=ProjectStatus.DONE),
)


async def seed(session: Session) -> None:
    """Create the projects of the demo account, unless it has had any."""
    user = await UserRepository(session).get_by(email=DEMO_EMAIL)
    team = await TeamRepository(session).get_personal(user.id) if user else None
    if user is None or team is None:
        return
    with tenant(team.id):
        projects = ProjectResource.for_team(session, team.id, user.id)
        if await projects.rows.count() or await projects.rows.count(deleted=True):
            return
        for project in DEMO_PROJECTS:
            await projects.create(project)
