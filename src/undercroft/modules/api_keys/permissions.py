"""Permissions of a team's API keys. Users need none for their own keys."""

from undercroft.core.auth import Permission
from undercroft.modules.teams import ADMINS

PERMISSIONS = (
    Permission("api_keys:read", "View the team's API keys.", ADMINS),
    Permission("api_keys:write", "Create, change, rotate and delete the team's API keys.", ADMINS, widens_access=True),
)
