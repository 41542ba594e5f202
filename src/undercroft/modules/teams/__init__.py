"""Teams: who works together, in which role, and whose the data is."""

from undercroft.modules.teams.errors import TeamNotFound
from undercroft.modules.teams.models import Membership, Team

__all__ = ["Membership", "Team", "TeamNotFound"]

REQUIRES = ("users",)
