"""The table of projects."""

from enum import StrEnum
from uuid import UUID

from sqlalchemy import Index, String, desc
from sqlmodel import Field, SQLModel

from undercroft.core.db import Privacy, SoftDeleted, TenantOwned, Timestamped, Versioned
from undercroft.core.validation import LongText, Name


class ProjectStatus(StrEnum):
    """State of the work."""

    ACTIVE = "active"
    ON_HOLD = "on_hold"
    DONE = "done"


class ProjectBase(SQLModel):
    name: Name = Field(max_length=200, description="Name shown to members, at most 200 characters.")
    description: LongText = Field(
        default="", max_length=10_000, description="Purpose of the project, at most 10,000 characters."
    )
    status: ProjectStatus = Field(default=ProjectStatus.ACTIVE, sa_type=String(20), description="State of the work.")


class Project(ProjectBase, TenantOwned, Timestamped, SoftDeleted, Versioned, table=True):
    __tablename__ = "projects"
    __privacy__ = Privacy("the team", "until the team is purged", non_personal=("name", "description", "status"))
    __table_args__ = (
        # includes `deleted_at` so that counting a team's projects is an index-only scan
        Index(
            "ix_projects_team_id_created_at_id",
            "team_id",
            desc("created_at"),
            desc("id"),
            postgresql_include=["deleted_at"],
        ),
    )

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", description="Team that owns the project.")
    created_by: UUID | None = Field(
        default=None,
        foreign_key="users.id",
        ondelete="SET NULL",
        description="User who created the project; null if the account was deleted or a team's API key was used.",
    )
