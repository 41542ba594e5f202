"""Teams: who works together, in which role, and whose the data is."""

from undercroft.modules.teams.errors import PersonalTeam, TeamNotFound
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import MembershipRepository, TeamRepository
from undercroft.modules.teams.schemas import MemberRead
from undercroft.modules.teams.service import create_team

REQUIRES = ("users",)

__all__ = [
    "REQUIRES",
    "MemberRead",
    "Membership",
    "MembershipRepository",
    "PersonalTeam",
    "Team",
    "TeamNotFound",
    "TeamRepository",
    "create_team",
]
