"""Teams: who works together, in which role, and whose the data is."""

from undercroft.modules.teams.errors import TeamNotFound
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import TeamRepository
from undercroft.modules.teams.service import create_team

REQUIRES = ("users",)

__all__ = ["REQUIRES", "Membership", "Team", "TeamNotFound", "TeamRepository", "create_team"]
