"""Permissions of a team's API keys. Users need none for their own keys."""

from undercroft.core.auth.permissions import ADMINS, Permission

PERMISSIONS = (
    Permission("api_keys:read", "View the team's API keys.", ADMINS),
    Permission("api_keys:write", "Create, change, rotate and delete the team's API keys.", ADMINS),
)
