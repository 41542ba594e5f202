"""What one may do with a team."""

from undercroft.core.auth.permissions import ADMINS, EVERYONE, OWNERS, Permission

PERMISSIONS = (
    Permission("teams:read", "See the team and its members.", EVERYONE),
    Permission("teams:write", "Rename the team and change its slug.", ADMINS),
    Permission("teams:secure", "Ask all members for two-step sign-in.", OWNERS),
    Permission("teams:delete", "Delete the team.", OWNERS),
    Permission("members:write", "Change members' roles and remove members.", ADMINS),
    Permission("owners:write", "Make and unmake owners.", OWNERS),
)
