"""What one may do with a team's projects."""

from undercroft.core.auth.permissions import ALL_ROLES, WRITERS, Permission

PERMISSIONS = (
    Permission("projects:read", "See the team's projects.", ALL_ROLES),
    Permission("projects:write", "Make, change, delete and restore projects.", WRITERS),
)
