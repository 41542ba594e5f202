"""Permissions of teams."""

from undercroft.core.auth.permissions import ADMINS, ALL_ROLES, OWNERS, Permission

PERMISSIONS = (
    Permission("teams:read", "View the team, its members and the permissions of its roles.", ALL_ROLES),
    Permission("teams:write", "Rename the team and change its slug.", ADMINS),
    Permission("teams:delete", "Delete and restore the team.", OWNERS),
    Permission("members:write", "Change members' roles and remove members.", ADMINS),
    Permission("owners:write", "Assign owners, transfer the team, manage domain joining, require MFA.", OWNERS, True),
    Permission("roles:write", "Create, change and delete custom roles.", ADMINS),
    Permission("invitations:read", "View invitations.", ADMINS),
    Permission("invitations:write", "Create and revoke invitations.", ADMINS),
)
