"""Queries of teams, members, roles and invitations."""

from undercroft.modules.teams.repository.invitations import (
    InvitationDetails,
    InvitationRepository,
    InvitationTokenRepository,
    Sender,
)
from undercroft.modules.teams.repository.members import CUSTOM_ROLE_PERMISSIONS, MembershipRepository, RoleRepository
from undercroft.modules.teams.repository.teams import TeamAdminRepository, TeamRepository, UserTeam, build_filters

__all__ = [
    "CUSTOM_ROLE_PERMISSIONS",
    "InvitationDetails",
    "InvitationRepository",
    "InvitationTokenRepository",
    "MembershipRepository",
    "RoleRepository",
    "Sender",
    "TeamAdminRepository",
    "TeamRepository",
    "UserTeam",
    "build_filters",
]
