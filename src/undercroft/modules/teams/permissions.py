"""Permissions of teams, and the built-in roles that have them."""

from undercroft.core.auth import Permission
from undercroft.modules.teams.models import TeamRole

ALL_ROLES = frozenset(TeamRole)
WRITERS = frozenset({TeamRole.OWNER, TeamRole.ADMIN, TeamRole.MEMBER})
ADMINS = frozenset({TeamRole.OWNER, TeamRole.ADMIN})
OWNERS = frozenset({TeamRole.OWNER})
"""The roles by which the modules declare who has a permission."""

PERMISSIONS = (
    Permission("teams:read", "View the team, its members and the permissions of its roles.", ALL_ROLES),
    Permission("teams:write", "Rename the team and change its slug.", ADMINS, widens_access=True),
    Permission("teams:delete", "Delete and restore the team.", OWNERS, widens_access=True),
    Permission("members:write", "Change members' roles and remove members.", ADMINS, widens_access=True),
    Permission(
        "owners:write",
        "Assign owners, transfer the team, manage domain joining, require MFA.",
        OWNERS,
        reserved=True,
        widens_access=True,
    ),
    Permission("roles:write", "Create, change and delete custom roles.", ADMINS, widens_access=True),
    Permission("invitations:read", "View invitations.", ADMINS),
    Permission("invitations:write", "Create and revoke invitations.", ADMINS, widens_access=True),
)
