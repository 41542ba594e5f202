"""Routes of custom roles and the permission matrix."""

from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.auth.permissions import get_builtin_role_permissions, list_permissions
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import Audit, CurrentPrincipal, Exempt, Router, When
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import (
    RoleInUse,
    RoleNotFound,
    RoleTaken,
    TeamNotFound,
    TeamRoleTooWeak,
    UnknownPermission,
)
from undercroft.modules.teams.models import TeamRole
from undercroft.modules.teams.schemas import (
    PermissionMatrix,
    PermissionRead,
    RoleCreate,
    RoleGrants,
    RoleRead,
    RoleUpdate,
)
from undercroft.modules.teams.service.roles import RoleService

roles = Router(
    surface="app", prefix="/teams/{team_id}/roles", tag="Teams", dependencies=[TEAM_FROM_PATH], errors=(TeamNotFound,)
)
permission_matrix = Router(surface="app", prefix="/permissions", tag="Teams", errors=(TeamNotFound,))

BUILT_IN_DESCRIPTIONS = {
    TeamRole.OWNER: "Has all permissions.",
    TeamRole.ADMIN: "Manages the team, its members and roles.",
    TeamRole.MEMBER: "Reads and changes the team's data.",
    TeamRole.VIEWER: "Reads the team's data.",
}


@permission_matrix.get("", permission="teams:read", summary="Get the permission matrix")
async def read_permissions(principal: CurrentPrincipal, session: ReadSessionDep) -> PermissionMatrix:
    """Returns all permissions, and the permissions of each built-in and custom role of the current team."""
    permissions = [
        PermissionRead(name=each.name, description=each.description, grantable=not each.reserved)
        for each in list_permissions()
    ]
    built_in = [
        RoleGrants(
            name=role.value, description=text, built_in=True, permissions=sorted(get_builtin_role_permissions(role))
        )
        for role, text in BUILT_IN_DESCRIPTIONS.items()
    ]
    custom = await RoleService(session, principal).list()
    granted = [RoleGrants(**RoleRead.of(role).model_dump(), built_in=False) for role in custom]
    return PermissionMatrix(permissions=permissions, roles=built_in + granted)


@roles.get("", permission="teams:read", summary="List custom roles")
async def list_roles(principal: CurrentPrincipal, session: ReadSessionDep) -> list[RoleRead]:
    """Returns all custom roles by name. The permission matrix also has the built-in roles."""
    return [RoleRead.of(role) for role in await RoleService(session, principal).list()]


@roles.post(
    "",
    status_code=201,
    permission="roles:write",
    audit="role.created",
    step_up=When("the role has permissions that members do not have"),
    summary="Create a role",
    errors=(TeamRoleTooWeak, RoleTaken, UnknownPermission, StepUpRequired),
)
async def create_role(body: RoleCreate, principal: CurrentPrincipal, session: SessionDep) -> RoleRead:
    """Creates a custom role. The caller must have every permission of the role."""
    return RoleRead.of(await RoleService(session, principal).create(body))


@roles.patch(
    "/{role_id}",
    permission="roles:write",
    audit=Audit("role.changed", none_when="nothing changed"),
    step_up=When("the role gains permissions that members do not have"),
    summary="Update a role",
    errors=(TeamRoleTooWeak, RoleNotFound, RoleTaken, UnknownPermission, StepUpRequired),
)
async def update_role(role_id: UUID, body: RoleUpdate, principal: CurrentPrincipal, session: SessionDep) -> RoleRead:
    """Changes only the given fields, effective with the next request of each member who has the role."""
    return RoleRead.of(await RoleService(session, principal).update(role_id, body))


@roles.delete(
    "/{role_id}",
    status_code=204,
    permission="roles:write",
    audit="role.deleted",
    step_up=Exempt("Only unused roles can be deleted."),
    summary="Delete a role",
    errors=(TeamRoleTooWeak, RoleNotFound, RoleInUse),
)
async def delete_role(role_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Deletes a custom role that is not in use.

    Fails while members, pending invitations or domain joining use it; `details` of the error contains the counts.
    """
    await RoleService(session, principal).delete(role_id)
