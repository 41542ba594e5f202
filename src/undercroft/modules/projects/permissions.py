"""Permissions of projects."""

from undercroft.core.auth.permissions import ALL_ROLES, WRITERS, Permission

PERMISSIONS = (
    Permission("projects:read", "View the team's projects.", ALL_ROLES),
    Permission("projects:write", "Create, change, delete and restore projects.", WRITERS),
)
