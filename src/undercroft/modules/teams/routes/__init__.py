"""Teams over HTTP. What is done at `/teams/{team_id}/…` is done in that team: it is the current one there."""

from undercroft.modules.teams.routes.invitations import accepting, invitations, links
from undercroft.modules.teams.routes.members import leaving, members
from undercroft.modules.teams.routes.offers import offers
from undercroft.modules.teams.routes.roles import matrix, roles
from undercroft.modules.teams.routes.teams import deleted, mine, teams

__all__ = [
    "accepting",
    "deleted",
    "invitations",
    "leaving",
    "links",
    "matrix",
    "members",
    "mine",
    "offers",
    "roles",
    "teams",
]
