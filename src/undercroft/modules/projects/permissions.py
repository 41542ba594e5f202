"""What one may do with a team's projects."""

from undercroft.core.auth.permissions import EVERYONE, WRITERS, Permission

PERMISSIONS = (
    Permission("projects:read", "See the team's projects.", EVERYONE),
    Permission("projects:write", "Make, change, delete and restore projects.", WRITERS),
)
