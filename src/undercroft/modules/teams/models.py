"""Tables of teams, memberships, custom roles and invitations."""

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import DateTime, Index, LargeBinary, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB
from sqlmodel import Field, SQLModel

from undercroft.core.db import (
    ColumnContent,
    CreatedAt,
    Erasure,
    Identified,
    Privacy,
    SoftDeleted,
    Timestamped,
    Versioned,
)
from undercroft.core.validation import Name, Slug
from undercroft.modules.users import EMAIL_LENGTH

ROLE_LENGTH = 40
TIMESTAMP: Any = DateTime(timezone=True)
TEXT_ARRAY: Any = ARRAY(Text)


class TeamRole(StrEnum):
    """The built-in roles in a team, strongest first."""

    OWNER = "owner"
    ADMIN = "admin"
    MEMBER = "member"
    VIEWER = "viewer"


BUILT_IN_ROLES = frozenset(role.value for role in TeamRole)


class TeamBase(SQLModel):
    name: Name = Field(max_length=100, description="Name shown to members, at most 100 characters.")


class Team(TeamBase, Identified, Timestamped, SoftDeleted, Versioned, table=True):
    """A team, the tenant that owns data. Sign-up creates a personal team for each user, who stays its only member.

    Changes of members, roles and invitations lock this row (`TeamRepository.lock_no_key`).
    """

    __tablename__ = "teams"
    __privacy__ = Privacy(
        "the team",
        "until the team is purged, 30 days after it was deleted",
        non_personal=("name", "slug", "auto_join_domains", "auto_join_claims", "auto_join_role"),
    )
    __table_args__: Any = (
        Index("uq_teams_slug", "slug", unique=True, postgresql_where=text("deleted_at IS NULL")),
        Index("uq_teams_personal_user_id", "personal_user_id", unique=True),
        Index("ix_teams_auto_join_domains", "auto_join_domains", postgresql_using="gin"),
        Index("ix_teams_deleted_at", "deleted_at", postgresql_where=text("deleted_at IS NOT NULL")),
    )

    slug: Slug = Field(max_length=60, description="Name of the team in URLs, unique among teams that are not deleted.")
    personal_user_id: UUID | None = Field(
        default=None, foreign_key="users.id", ondelete="CASCADE", description="User whose personal team this is."
    )
    auto_join_domains: list[str] = Field(
        default_factory=list,
        sa_type=TEXT_ARRAY,
        sa_column_kwargs={"server_default": text("'{}'::text[]")},
        description="Users with a verified address of one of these domains may join.",
    )
    auto_join_claims: dict[str, str] = Field(
        default_factory=dict,
        sa_type=JSONB,
        sa_column_kwargs={"server_default": text("'{}'::jsonb")},
        description="Map of each domain to the ID of the owner who claimed it with a verified address.",
    )
    auto_join_role: str = Field(
        default=TeamRole.MEMBER.value,
        max_length=ROLE_LENGTH,
        sa_column_kwargs={"server_default": TeamRole.MEMBER.value},
        description="Role of users who join through their domain.",
    )
    require_mfa: bool = Field(
        default=False,
        sa_column_kwargs={"server_default": text("false")},
        description="Whether members need a session with MFA to use the team.",
    )


# undercroft: allow tenant-factory because every team of the attack has the membership of its owner
class Membership(Identified, Timestamped, table=True):
    """A user's membership in a team, with one role."""

    __tablename__ = "memberships"
    __privacy__ = Privacy("the user", "until the user leaves", non_personal=("role",), erasures=(Erasure("user_id"),))
    __table_args__ = (
        Index("uq_memberships_user_id_team_id", "user_id", "team_id", unique=True),
        Index("ix_memberships_team_id", "team_id"),
    )

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE")
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE")
    role: str = Field(max_length=ROLE_LENGTH, default=TeamRole.MEMBER.value, description="Name of the role.")


# undercroft: allow tenant-factory because no response contains its columns
class RemovedMember(CreatedAt, table=True):
    """A user removed from a team: its domains do not offer the team again. Joining by invitation deletes the row."""

    __tablename__ = "team_removals"
    __privacy__ = Privacy("the user", "until the user is invited again", erasures=(Erasure("user_id"),))

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE", primary_key=True)
    user_id: UUID = Field(foreign_key="users.id", ondelete="CASCADE", primary_key=True, index=True)


class CustomRole(Identified, Timestamped, table=True):
    """A role created by a team, beside the built-in ones. Memberships refer to it by name."""

    __tablename__ = "team_roles"
    __privacy__ = Privacy("the team", "until the team deletes it", non_personal=("name", "description", "permissions"))
    __table_args__ = (Index("uq_team_roles_team_id_name", "team_id", "name", unique=True),)

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE")
    name: str = Field(max_length=ROLE_LENGTH, description="Name of the role, unique in its team.")
    description: str = Field(default="", max_length=200, description="Purpose of the role, at most 200 characters.")
    permissions: list[str] = Field(sa_type=TEXT_ARRAY, description="Names of declared permissions.")


class Invitation(Identified, Timestamped, table=True):
    """An invitation of an email address to a team, pending until accepted or expired. Revoking one deletes it."""

    __tablename__ = "team_invitations"
    __privacy__ = Privacy(
        "the invited user",
        "30 days after it was accepted or expired",
        personal=("email",),
        non_personal=("role",),
        erasures=(Erasure("email", ColumnContent.EMAIL), Erasure("accepted_by")),
    )
    __table_args__: Any = (
        Index(
            "uq_team_invitations_team_id_email",
            "team_id",
            "email",
            unique=True,
            postgresql_where=text("accepted_at IS NULL"),
        ),
        Index("ix_team_invitations_expires_at", "expires_at"),
        Index("ix_team_invitations_accepted_by", "accepted_by"),
    )

    team_id: UUID = Field(foreign_key="teams.id", ondelete="CASCADE")
    email: str = Field(max_length=EMAIL_LENGTH)
    role: str = Field(max_length=ROLE_LENGTH)
    invited_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")
    expires_at: datetime = Field(sa_type=TIMESTAMP)
    accepted_at: datetime | None = Field(default=None, sa_type=TIMESTAMP)
    accepted_by: UUID | None = Field(default=None, foreign_key="users.id", ondelete="SET NULL")


class InvitationToken(CreatedAt, table=True):
    """Hash of a link's token. Each attempt to send the email makes a new token, as the email may arrive twice."""

    __tablename__ = "team_invitation_tokens"
    __privacy__ = Privacy("the invited user", "as long as the invitation")

    token_hash: bytes = Field(sa_type=LargeBinary, primary_key=True, repr=False)
    invitation_id: UUID = Field(foreign_key="team_invitations.id", ondelete="CASCADE", index=True)
