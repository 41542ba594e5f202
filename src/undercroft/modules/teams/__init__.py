"""Teams: who works together, in which role, and whose the data is.

How many may belong to a team is for a module that knows plans to say: `bind_seats` (see `seats.py`).
"""

from undercroft.modules.teams.acceptance import INVITATION_PAGE, OpenInvitation, accept_invitation, open_invitation
from undercroft.modules.teams.access import NAMED_TEAM
from undercroft.modules.teams.errors import (
    InvitationForAnother,
    InvitationInvalid,
    LastOwner,
    PersonalTeam,
    SlugTaken,
    TeamNotFound,
    TeamWithoutOwner,
)
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.joining import accept_offer, list_offers
from undercroft.modules.teams.leaving import orphaned_teams
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import ROLE_GRANTS, Belonging, MembershipRepository, TeamRepository
from undercroft.modules.teams.restoring import restore_team
from undercroft.modules.teams.schemas import MemberRead
from undercroft.modules.teams.seats import SeatLimit, bind_seats
from undercroft.modules.teams.service import create_team

REQUIRES = ("users",)

__all__ = [
    "INVITATION_PAGE",
    "NAMED_TEAM",
    "REQUIRES",
    "ROLE_GRANTS",
    "Belonging",
    "InvitationForAnother",
    "InvitationInvalid",
    "LastOwner",
    "MemberRead",
    "Membership",
    "MembershipRepository",
    "OpenInvitation",
    "PersonalTeam",
    "SeatLimit",
    "SlugTaken",
    "Team",
    "TeamNotFound",
    "TeamPurged",
    "TeamRepository",
    "TeamWithoutOwner",
    "accept_invitation",
    "accept_offer",
    "bind_seats",
    "create_team",
    "list_offers",
    "open_invitation",
    "orphaned_teams",
    "restore_team",
]
