"""Permissions of the audit log."""

from undercroft.core.auth import Permission
from undercroft.modules.teams import ADMINS

PERMISSIONS = (Permission("audit:read", "View the team's audit log.", ADMINS),)
