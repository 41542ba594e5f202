"""Teams: members, roles, invitations, and ownership of data.

A module that knows the billing plans sets the number of seats with `set_seat_limit` (see `seats.py`).
"""

from undercroft.core import Module
from undercroft.modules.teams.account_deletion import list_orphaned_teams
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import (
    InvitationEmailMismatch,
    InvitationInvalid,
    LastOwner,
    PersonalTeam,
    SlugTaken,
    TeamNotFound,
    TeamWithoutOwner,
)
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.invitation_acceptance import (
    INVITATION_PAGE,
    OpenInvitation,
    accept_invitation,
    get_open_invitation,
)
from undercroft.modules.teams.join_offers import accept_offer, list_offers
from undercroft.modules.teams.models import Membership, Team
from undercroft.modules.teams.repository import CUSTOM_ROLE_PERMISSIONS, MembershipRepository, TeamRepository, UserTeam
from undercroft.modules.teams.restore import restore_team
from undercroft.modules.teams.schemas import MemberRead
from undercroft.modules.teams.seats import SeatLimit, set_seat_limit
from undercroft.modules.teams.service import create_team

MODULE = Module(requires=("users",))

__all__ = [
    "CUSTOM_ROLE_PERMISSIONS",
    "INVITATION_PAGE",
    "MODULE",
    "TEAM_FROM_PATH",
    "InvitationEmailMismatch",
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
    "UserTeam",
    "accept_invitation",
    "accept_offer",
    "create_team",
    "get_open_invitation",
    "list_offers",
    "list_orphaned_teams",
    "restore_team",
    "set_seat_limit",
]
