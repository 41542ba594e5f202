"""Request and response schemas of teams."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, StringConstraints, field_validator

from undercroft.core.auth.permissions import get_granted_permissions
from undercroft.core.db.entity_fields import extra_values
from undercroft.core.http import ListQuery, PageQuery
from undercroft.core.validation import Email, Name, Schema, Slug, single_line
from undercroft.modules.teams.models import ROLE_LENGTH, CustomRole, Membership, Team, TeamBase, TeamRole
from undercroft.modules.teams.repository.members import MembershipRepository
from undercroft.modules.teams.repository.teams import TeamAdminRepository, TeamRepository

MAX_DOMAINS = 20
MAX_PERMISSIONS = 500

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=ROLE_LENGTH)]
Role = Annotated[str, Field(description="Name of the role.", examples=["member"])]
PermissionName = Annotated[str, StringConstraints(max_length=100)]
Domain = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=253, pattern=r"^[^\s@.]+(\.[^\s@.]+)+$")
]
Description = Annotated[str, single_line(200, min_length=0)]


def _example(**example: Any) -> Any:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class TeamCreate(TeamBase):
    model_config = _example(name="Acme")

    slug: Slug | None = Field(
        default=None, max_length=60, description="Slug for URLs, at most 60 characters. Default: derived from the name."
    )


class TeamUpdate(Schema):
    model_config = _example(name="Acme Ltd")

    name: Name | None = Field(default=None, max_length=100)
    slug: Slug | None = Field(default=None, max_length=60)
    require_mfa: bool | None = Field(
        default=None, description="Whether members need a session with MFA to use the team. Only owners can set this."
    )
    auto_join_domains: list[Domain] | None = Field(
        default=None,
        max_length=MAX_DOMAINS,
        description="Domains whose users may join with a verified address. Only owners can set this, and they can add "
        "only the domain of their own verified address, not one of a public email provider. A domain is removed when "
        "the owner who added it leaves, is no longer an owner, or changes to an address at another domain.",
    )
    auto_join_role: RoleName | None = Field(default=None, description="Role of users who join through their domain.")

    @field_validator("auto_join_domains")
    @classmethod
    def _deduplicate(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else sorted(set(value))

    @field_validator("auto_join_role")
    @classmethod
    def _reject_owner(cls, value: str | None) -> str | None:
        if value == TeamRole.OWNER:
            raise ValueError("Users who join through a domain cannot become owners.")
        return value


class TeamRead(TeamBase):
    id: UUID
    slug: str
    role: Role = Field(description="Role of the current user in the team.")
    is_personal: bool = Field(description="Whether this is the personal team of a user.")
    require_mfa: bool = Field(description="Whether members need a session with MFA to use the team.")
    auto_join_domains: list[str] = Field(
        description="Domains whose users may join with a verified address.", examples=[["acme.example"]]
    )
    auto_join_role: str = Field(description="Role of users who join through their domain.", examples=["member"])
    version: int = Field(description="Version number, incremented by every change; the value of `If-Match`.")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="Time of deletion; null if the team is not deleted.")


class JoinOffer(Schema):
    """A team that the current user may join through the domain of the verified address."""

    id: UUID = Field(description="ID of the team.")
    name: str
    domain: str = Field(
        description="Domain of the user's address, claimed by an owner of the team.", examples=["acme.example"]
    )
    role: Role = Field(description="Role of users who join through the domain.")


class JoinOfferAccept(Schema):
    model_config = _example(team_id="01930000-0000-7000-8000-000000000001")

    team_id: UUID = Field(description="ID of an offered team.")


class MemberRead(Schema):
    user_id: UUID
    email: str
    full_name: str = Field(description="Name of the user.", examples=["Ada Lovelace"])
    role: Role
    joined_at: datetime = Field(description="Time at which the user joined the team.")

    @classmethod
    def of(cls, member: Membership, email: str, full_name: str) -> "MemberRead":
        return cls(**member.model_dump(), email=email, full_name=full_name, joined_at=member.created_at)


class MemberUpdate(Schema):
    model_config = _example(role="admin")

    role: RoleName = Field(description="Name of a built-in or custom role.")


class TeamTransfer(Schema):
    model_config = _example(user_id="01930000-0000-7000-8000-000000000001")

    user_id: UUID = Field(description="ID of the member who becomes the owner.")


class RoleCreate(Schema):
    model_config = _example(
        name="editor", description="Edits projects.", permissions=["projects:read", "projects:write"]
    )

    name: RoleName = Field(description="Name of the role, unique in its team and different from built-in roles.")
    description: Description = ""
    permissions: list[PermissionName] = Field(
        max_length=MAX_PERMISSIONS, description="Permissions to grant; the caller must have all of them."
    )


class RoleUpdate(Schema):
    model_config = _example(permissions=["projects:read"])

    name: RoleName | None = None
    description: Description | None = None
    permissions: list[PermissionName] | None = Field(
        default=None, max_length=MAX_PERMISSIONS, description="Permissions that replace those of the role."
    )


class RoleRead(Schema):
    id: UUID
    name: str
    description: str
    permissions: list[str] = Field(description="Granted permissions that still exist.", examples=[["projects:read"]])
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, role: CustomRole) -> "RoleRead":
        return cls(**role.model_dump() | {"permissions": sorted(get_granted_permissions(" ".join(role.permissions)))})


class PermissionRead(Schema):
    name: str
    description: str
    grantable: bool = Field(description="Whether custom roles can have this permission.")


class RoleGrants(Schema):
    id: UUID | None = Field(default=None, description="ID of a custom role; null for a built-in role.")
    name: str
    description: str
    built_in: bool = Field(description="Whether the role exists in every team and cannot be changed.")
    permissions: list[str] = Field(description="Names of the permissions.", examples=[["projects:read"]])


class PermissionMatrix(Schema):
    """All permissions, and those that each role of the current team has."""

    permissions: list[PermissionRead] = Field(description="All permissions.")
    roles: list[RoleGrants] = Field(description="Roles of the team, with their permissions.")


class InvitationCreate(Schema):
    model_config = _example(email="ada@example.com", role="member")

    email: Email
    role: RoleName = Field(default=TeamRole.MEMBER.value, description="Name of a built-in or custom role.")


class InvitationRead(Schema):
    id: UUID
    email: str
    role: Role
    invited_by: UUID | None = Field(description="ID of the inviter; null if the account was deleted.")
    inviter: str = Field(description="Name of the inviter.", examples=["Ada Lovelace"])
    created_at: datetime
    expires_at: datetime
    expired: bool = Field(description="Whether the invitation has expired.")


Token = Annotated[SecretStr, Field(min_length=1, max_length=512)]


class InvitationTokenBody(Schema):
    model_config = _example(token="hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE")  # noqa: S106

    token: Token = Field(description="Token from the emailed link.")


class InvitationPreview(Schema):
    """An invitation, as shown to the recipient of its link."""

    team_name: str = Field(description="Name of the team.", examples=["Acme"])
    inviter: str = Field(description="Name of the inviter, or an empty string if unknown.", examples=["Ada Lovelace"])
    email: str
    role: Role
    expires_at: datetime
    has_account: bool = Field(
        description="Whether an account with this address exists. If not, the user registers on the page of the link."
    )


class TeamAdminRead(Schema):
    id: UUID
    name: str
    slug: str
    personal_user_id: UUID | None = Field(description="ID of the user who owns this personal team.")
    members: int = Field(description="Number of members.")
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="Time of deletion; null if the team is not deleted.")

    @classmethod
    def of(cls, team: Team, members: int) -> "TeamAdminRead":
        return cls(**team.model_dump(), **extra_values(team), members=members)


class MemberQuery(PageQuery):
    sortable = MembershipRepository.sortable
    filterable = ("role",)

    role: str | None = Field(None, max_length=ROLE_LENGTH, description="Name of a role, to return only its members.")


class TeamQuery(PageQuery):
    sortable = TeamRepository.sortable

    deleted: bool = Field(False, description="Whether to return deleted teams that can still be restored instead.")


class TeamAdminQuery(ListQuery):
    sortable = TeamAdminRepository.sortable

    is_personal: bool | None = Field(None, description="Whether to return only personal teams or only other teams.")
    is_deleted: bool | None = Field(
        False, description="Whether to return only deleted teams. An empty value returns deleted and other teams."
    )
    member_id: UUID | None = Field(None, description="ID of a user, to return only teams of this member.")
