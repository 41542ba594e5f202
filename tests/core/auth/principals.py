"""Principals for tests."""

from typing import Any

from undercroft.core.auth import PlatformRole, Principal
from undercroft.core.db import utc_now
from undercroft.core.ids import new_id

USER_ID, SESSION_ID, TEAM_ID = new_id(), new_id(), new_id()


def make_principal(**changes: Any) -> Principal:
    """A user who signed in just now with a second factor and administers the platform and the team."""
    values: dict[str, Any] = {
        "user_id_or_none": USER_ID,
        "session_id_or_none": SESSION_ID,
        "role": PlatformRole.ADMIN,
        "team_id": TEAM_ID,
        "permissions": frozenset({"projects:read", "projects:write"}),
        "reauthenticated_at": utc_now(),
        "second_factors": ("totp",),
        "passed_mfa": True,
    }
    return Principal(**(values | changes))
