"""Teams: members, roles, invitations, and ownership of data.

It has more than 2,000 lines because members, roles, invitations and join offers change under one lock of the team.
A module that knows the billing plans adds a `SeatLimit` to the context.
"""

from undercroft.core import Module
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import LastOwner, TeamNotFound
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.hooks import NewInvitation
from undercroft.modules.teams.models import Membership, Team, TeamRole
from undercroft.modules.teams.permissions import ADMINS, ALL_ROLES, OWNERS, WRITERS
from undercroft.modules.teams.repository.members import CUSTOM_ROLE_PERMISSIONS, MembershipRepository
from undercroft.modules.teams.repository.teams import TeamRepository, UserTeam
from undercroft.modules.teams.service.joining import INVITATION_PAGE, JoinService, OpenInvitation
from undercroft.modules.teams.service.members import SeatLimit, list_orphaned_teams
from undercroft.modules.teams.service.teams import create_team, enqueue_for_each_team, is_mfa_blocked

MODULE = Module(requires=("users",))

__all__ = [
    "ADMINS",
    "ALL_ROLES",
    "CUSTOM_ROLE_PERMISSIONS",
    "INVITATION_PAGE",
    "MODULE",
    "OWNERS",
    "TEAM_FROM_PATH",
    "WRITERS",
    "JoinService",
    "LastOwner",
    "Membership",
    "MembershipRepository",
    "NewInvitation",
    "OpenInvitation",
    "SeatLimit",
    "Team",
    "TeamNotFound",
    "TeamPurged",
    "TeamRepository",
    "TeamRole",
    "UserTeam",
    "create_team",
    "enqueue_for_each_team",
    "is_mfa_blocked",
    "list_orphaned_teams",
]
