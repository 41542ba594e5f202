"""Factories for tests of tenant isolation."""

import secrets

from undercroft.core.db import utc_now
from undercroft.modules.teams.models import CustomRole, Invitation, Team
from undercroft.testing.attack import new_row

IDS = {
    "deleted_team_id": new_row(Team, slug=lambda _: secrets.token_hex(8), deleted_at=lambda _: utc_now()),
    "invitation_id": new_row(Invitation),
    "role_id": new_row(CustomRole),
}
