"""HTTP routes of teams. At `/teams/{team_id}/…` the team in the path is the current team."""

from undercroft.modules.teams.routes.admin import admin
from undercroft.modules.teams.routes.invitations import invitation_acceptance, invitations, offers, public_invitations
from undercroft.modules.teams.routes.roles import permission_matrix, roles
from undercroft.modules.teams.routes.teams import deleted_teams, teams, user_teams

__all__ = [
    "admin",
    "deleted_teams",
    "invitation_acceptance",
    "invitations",
    "offers",
    "permission_matrix",
    "public_invitations",
    "roles",
    "teams",
    "user_teams",
]
