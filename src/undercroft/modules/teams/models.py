"""Teams and who belongs to them."""

from uuid import UUID

from sqlalchemy import Index, text
from sqlmodel import Field, SQLModel

from undercroft.core.auth.permissions import TeamRole
from undercroft.core.db import Identified, SoftDeleted, Timestamped
from undercroft.core.validation import Name, Slug


class TeamFields(SQLModel):
    name: Name = Field(max_length=100, description="What people call the team.")


class Team(TeamFields, Identified, Timestamped, SoftDeleted, table=True):
    """A team, the tenant that owns data. A personal team belongs to one user, is made at sign-up and stays theirs."""

    __tablename__ = "teams"
    __table_args__ = (
        Index("uq_teams_slug", "slug", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_teams_personal_user_id", "personal_user_id", unique=True),
    )

    slug: Slug = Field(max_length=60, description="Names the team in addresses; unique among living teams.")
    personal_user_id: UUID | None = Field(
        default=None, foreign_key="users.id", ondelete="CASCADE", description="Whose personal team it is."
    )
    require_mfa: bool = Field(
        default=False,
        nullable=False,
        sa_column_kwargs={"server_default": text("false")},
        description="Whether only sessions that saw a second factor get in.",
    )


class Membership(Identified, Timestamped, table=True):
    """Somebody in a team, in one role."""

    __tablename__ = "memberships"
    __table_args__ = (
        Index("uq_memberships_user_id_team_id", "user_id", "team_id", unique=True),
        Index("ix_memberships_team_id", "team_id"),
    )

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE")
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    role: str = Field(max_length=40, default=TeamRole.MEMBER.value, description="The role's name.")
