"""Teams: members, roles, invitations, and ownership of data.

It has more than 2,000 lines because members, roles, invitations and join offers change under one lock of the team.
It exports more than 25 names because extensions may override its services and need their types. A module that knows the
billing plans adds a `SeatLimit` to the context.
"""

from undercroft.core import Module
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import LastOwner, TeamNotFound
from undercroft.modules.teams.events import TeamPurged
from undercroft.modules.teams.hooks import NewInvitation
from undercroft.modules.teams.models import CustomRole, Invitation, Membership, Team, TeamRole
from undercroft.modules.teams.permissions import ADMINS, ALL_ROLES, OWNERS, WRITERS
from undercroft.modules.teams.repository.members import CUSTOM_ROLE_PERMISSIONS, MembershipRepository
from undercroft.modules.teams.repository.teams import TeamRepository, UserTeam
from undercroft.modules.teams.schemas import InvitationCreate, RoleCreate, RoleUpdate, TeamCreate, TeamUpdate
from undercroft.modules.teams.service.invitations import InvitationService
from undercroft.modules.teams.service.joining import INVITATION_PAGE, JoinService, OpenInvitation
from undercroft.modules.teams.service.members import MemberService, SeatLimit, list_orphaned_teams
from undercroft.modules.teams.service.roles import RoleService
from undercroft.modules.teams.service.teams import (
    TeamAdminService,
    TeamService,
    TeamWithCount,
    create_team,
    enqueue_for_each_team,
    is_mfa_blocked,
)

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
    "CustomRole",
    "Invitation",
    "InvitationCreate",
    "InvitationService",
    "JoinService",
    "LastOwner",
    "MemberService",
    "Membership",
    "MembershipRepository",
    "NewInvitation",
    "OpenInvitation",
    "RoleCreate",
    "RoleService",
    "RoleUpdate",
    "SeatLimit",
    "Team",
    "TeamAdminService",
    "TeamCreate",
    "TeamNotFound",
    "TeamPurged",
    "TeamRepository",
    "TeamRole",
    "TeamService",
    "TeamUpdate",
    "TeamWithCount",
    "UserTeam",
    "create_team",
    "enqueue_for_each_team",
    "is_mfa_blocked",
    "list_orphaned_teams",
]
