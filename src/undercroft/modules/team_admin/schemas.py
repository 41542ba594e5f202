"""Schemas of teams for administrators."""

from datetime import datetime
from uuid import UUID

from pydantic import Field

from undercroft.core.validation import Schema
from undercroft.modules.teams import Team


class TeamAdminRead(Schema):
    id: UUID
    name: str
    slug: str
    personal_user_id: UUID | None = Field(description="ID of the user whose personal team this is.")
    members: int = Field(description="Number of members.")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="Time of deletion; null if the team is not deleted.")

    @classmethod
    def of(cls, team: Team, members: int) -> "TeamAdminRead":
        known = {name: getattr(team, name) for name in cls.model_fields if name != "members"}
        return cls(**known, members=members)
