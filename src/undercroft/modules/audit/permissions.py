"""Permissions of the audit log."""

from undercroft.core.auth.permissions import ADMINS, Permission

PERMISSIONS = (Permission("audit:read", "View the team's audit log.", ADMINS),)
