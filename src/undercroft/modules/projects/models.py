"""The table of projects."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, String, desc
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy, SoftDeleted, TenantOwned, Timestamped, Versioned
from undercroft.core.validation import LongText, Name


class ProjectStatus(StrEnum):
    ACTIVE = "active"
    ON_HOLD = "on_hold"
    DONE = "done"


class ProjectBase(SQLModel):
    name: Name = Field(max_length=200, description="What people call the project.")
    description: LongText = Field(default="", max_length=10_000, description="What it is about.")
    status: ProjectStatus = Field(default=ProjectStatus.ACTIVE, sa_type=String(20), description="How it stands.")


class Project(ProjectBase, TenantOwned, Timestamped, SoftDeleted, Versioned, table=True):
    __tablename__ = "projects"
    __privacy__ = Privacy("the team", "until the team is purged", non_personal=("name", "description", "status"))
    __table_args__ = (
        # `deleted_at` rides along so that counting a team's projects reads the index alone
        Index(
            "ix_projects_team_id_created_at_id",
            "team_id",
            desc("created_at"),
            desc("id"),
            postgresql_include=["deleted_at"],
        ),
    )

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", description="The team that owns it.")
    created_by: UUID | None = Field(
        default=None,
        foreign_key="users.id",
        ondelete="SET NULL",
        description="Who made it; empty once they are gone, or when a team's API key did.",
    )
