"""What one may do with a team."""

from undercroft.core.auth.permissions import ADMINS, ALL_ROLES, OWNERS, Permission

PERMISSIONS = (
    Permission("teams:read", "See the team, its members and what its roles may do.", ALL_ROLES),
    Permission("teams:write", "Rename the team and change its slug.", ADMINS),
    Permission("teams:delete", "Delete the team, and restore it.", OWNERS),
    Permission("members:write", "Change members' roles and remove members.", ADMINS),
    Permission(
        "owners:write", "Make owners, hand the team over, say who joins by a domain, ask for MFA.", OWNERS, True
    ),
    Permission("roles:write", "Make, change and delete the team's own roles.", ADMINS),
    Permission("invitations:read", "See who is invited.", ADMINS),
    Permission("invitations:write", "Invite people, and revoke invitations.", ADMINS),
)
