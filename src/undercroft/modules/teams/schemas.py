"""What comes in and goes out about teams."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from pydantic import ConfigDict, Field, SecretStr, StringConstraints, field_validator

from undercroft.core.auth.permissions import TeamRole, get_granted_permissions
from undercroft.core.validation import Email, Name, Schema, Slug, single_line
from undercroft.modules.teams.models import ROLE_LENGTH, CustomRole, TeamBase

MAX_DOMAINS = 20
MAX_PERMISSIONS = 500

RoleName = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9_-]*$", max_length=ROLE_LENGTH)]
PermissionName = Annotated[str, StringConstraints(max_length=100)]
Domain = Annotated[
    str, StringConstraints(strip_whitespace=True, to_lower=True, max_length=253, pattern=r"^[^\s@.]+(\.[^\s@.]+)+$")
]
Description = Annotated[str, single_line(200, min_length=0)]


def _example(**example: Any) -> Any:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


class TeamCreate(TeamBase):
    model_config = _example(name="Acme")

    slug: Slug | None = Field(default=None, max_length=60, description="Made from the name when left out.")


class TeamUpdate(Schema):
    model_config = _example(name="Acme Ltd")

    name: Name | None = Field(default=None, max_length=100)
    slug: Slug | None = Field(default=None, max_length=60)
    require_mfa: bool | None = Field(
        default=None, description="Whether the team lets in only who passed two-step sign-in; for owners to say."
    )
    auto_join_domains: list[Domain] | None = Field(
        default=None,
        max_length=MAX_DOMAINS,
        description="Users with a verified address of one of these domains are offered to join. For owners, who add "
        "only the domain of their own verified address; public mail providers are refused. A domain is removed when "
        "the owner who added it leaves, is no owner any more, or has another address.",
    )
    auto_join_role: RoleName | None = Field(default=None, description="The role of those who join by their domain.")

    @field_validator("auto_join_domains")
    @classmethod
    def _deduplicate(cls, value: list[str] | None) -> list[str] | None:
        return None if value is None else sorted(set(value))

    @field_validator("auto_join_role")
    @classmethod
    def _reject_owner(cls, value: str | None) -> str | None:
        if value == TeamRole.OWNER:
            raise ValueError("Nobody becomes an owner by a domain.")
        return value


class TeamRead(TeamBase):
    id: UUID
    slug: str
    role: str = Field(description="Your role in it.")
    is_personal: bool
    require_mfa: bool
    auto_join_domains: list[str]
    auto_join_role: str
    created_at: datetime
    updated_at: datetime
    deleted_at: datetime | None = Field(description="Since when it is deleted; it can be restored for a while.")


class JoinOffer(Schema):
    """A team that the current user may join by the domain of the verified address."""

    id: UUID = Field(description="The team's id.")
    name: str
    domain: str = Field(description="The domain of the user's address, which an owner of the team claimed.")
    role: str = Field(description="The role of members who join by it.")


class JoinOfferAccept(Schema):
    model_config = _example(team_id="01930000-0000-7000-8000-000000000001")

    team_id: UUID = Field(description="The id of an offered team.")


class MemberRead(Schema):
    user_id: UUID
    email: str
    full_name: str
    role: str
    joined_at: datetime


class MemberUpdate(Schema):
    model_config = _example(role="admin")

    role: RoleName = Field(description="A built-in role or one of the team's own.")


class TeamTransfer(Schema):
    model_config = _example(user_id="01930000-0000-7000-8000-000000000001")

    user_id: UUID = Field(description="The member who becomes the owner.")


class RoleCreate(Schema):
    model_config = _example(name="editor", description="Writes.", permissions=["projects:read", "projects:write"])

    name: RoleName = Field(description="Unique in its team, and none of the built-in ones.")
    description: Description = ""
    permissions: list[PermissionName] = Field(max_length=MAX_PERMISSIONS, description="Of those that one has oneself.")


class RoleUpdate(Schema):
    model_config = _example(permissions=["projects:read"])

    name: RoleName | None = None
    description: Description | None = None
    permissions: list[PermissionName] | None = Field(default=None, max_length=MAX_PERMISSIONS)


class RoleRead(Schema):
    id: UUID
    name: str
    description: str
    permissions: list[str] = Field(description="Those that are still declared.")
    created_at: datetime
    updated_at: datetime

    @classmethod
    def of(cls, role: CustomRole) -> "RoleRead":
        return cls(**role.model_dump() | {"permissions": sorted(get_granted_permissions(" ".join(role.permissions)))})


class PermissionRead(Schema):
    name: str
    description: str
    grantable: bool = Field(description="Whether a team can grant it to roles of its own.")


class RoleGrants(Schema):
    name: str
    description: str
    built_in: bool
    permissions: list[str]


class PermissionMatrix(Schema):
    """What there is to be granted, and which role of the current team was granted what."""

    permissions: list[PermissionRead]
    roles: list[RoleGrants]


class InvitationCreate(Schema):
    model_config = _example(email="ada@example.com", role="member")

    email: Email
    role: RoleName = Field(default=TeamRole.MEMBER.value, description="A built-in role or one of the team's own.")


class InvitationRead(Schema):
    id: UUID
    email: str
    role: str
    invited_by: UUID | None
    inviter: str = Field(description="The name of who invited.")
    created_at: datetime
    expires_at: datetime
    expired: bool


Token = Annotated[SecretStr, Field(min_length=1, max_length=512)]


class InvitationTokenBody(Schema):
    model_config = _example(token="hTq1nYk3Vb0fJ7cD2sXwR9mZpL4uEoG6aTiQyB8vKjE")  # noqa: S106

    token: Token = Field(description="The secret of the mailed link.")


class InvitationPreview(Schema):
    """An invitation, as told to whoever holds its link."""

    team_name: str
    inviter: str = Field(description="The name of who invited; empty when there is none to tell.")
    email: str
    role: str
    expires_at: datetime
    has_account: bool = Field(description="Whether the address can sign in; else it registers by the page of the link.")
