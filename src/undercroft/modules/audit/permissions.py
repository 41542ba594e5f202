"""Who may read a team's own audit log."""

from undercroft.core.auth.permissions import ADMINS, Permission

PERMISSIONS = (Permission("audit:read", "Read what was done in the team, and by whom.", ADMINS),)
