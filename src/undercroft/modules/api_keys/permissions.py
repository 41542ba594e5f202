"""What one may do with a team's API keys; everybody looks after their own."""

from undercroft.core.auth.permissions import ADMINS, Permission

PERMISSIONS = (
    Permission("api_keys:read", "See the team's API keys.", ADMINS),
    Permission("api_keys:write", "Make, change, rotate and delete the team's API keys.", ADMINS),
)
