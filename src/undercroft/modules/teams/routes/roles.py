"""Routes of custom roles and the permission matrix."""

from uuid import UUID

from undercroft.core.auth import StepUpRequired
from undercroft.core.auth.permissions import TeamRole, get_builtin_role_permissions, list_permissions
from undercroft.core.db import ReadSessionDep, SessionDep
from undercroft.core.http import CurrentPrincipal, Router, require_permission
from undercroft.core.http.errors import responses
from undercroft.core.http.step_up_policy import step_up_exempt, step_up_when
from undercroft.modules.teams.dependencies import TEAM_FROM_PATH
from undercroft.modules.teams.errors import (
    RoleInUse,
    RoleNotFound,
    RoleTaken,
    TeamNotFound,
    TeamRoleTooWeak,
    UnknownPermission,
)
from undercroft.modules.teams.roles import RoleService
from undercroft.modules.teams.roles import list_roles as roles_of
from undercroft.modules.teams.schemas import (
    PermissionMatrix,
    PermissionRead,
    RoleCreate,
    RoleGrants,
    RoleRead,
    RoleUpdate,
)

roles = Router(surface="app", prefix="/teams/{team_id}/roles", tag="Teams", dependencies=[TEAM_FROM_PATH])
permission_matrix = Router(surface="app", prefix="/permissions", tag="Teams")

BUILT_IN_DESCRIPTIONS = {
    TeamRole.OWNER: "Has all permissions.",
    TeamRole.ADMIN: "Manages the team, its members and roles.",
    TeamRole.MEMBER: "Reads and changes the team's data.",
    TeamRole.VIEWER: "Reads the team's data.",
}


@permission_matrix.get(
    "",
    response_model=PermissionMatrix,
    summary="Get the permission matrix",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
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
    own = [RoleRead.of(role) for role in await roles_of(session, principal.team_id)]
    granted = [
        RoleGrants(name=role.name, description=role.description, built_in=False, permissions=role.permissions)
        for role in own
    ]
    return PermissionMatrix(permissions=permissions, roles=built_in + granted)


@roles.get(
    "",
    response_model=list[RoleRead],
    summary="List custom roles",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
async def list_roles(principal: CurrentPrincipal, session: ReadSessionDep) -> list[RoleRead]:
    """Returns all custom roles by name. The permission matrix also has the built-in roles."""
    return [RoleRead.of(role) for role in await roles_of(session, principal.team_id)]


@roles.post(
    "",
    status_code=201,
    response_model=RoleRead,
    summary="Create a role",
    dependencies=[require_permission("roles:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, RoleTaken, UnknownPermission, StepUpRequired),
)
@step_up_when("the role has permissions that members do not have")
async def create_role(body: RoleCreate, principal: CurrentPrincipal, session: SessionDep) -> RoleRead:
    """Creates a custom role. The caller must have every permission of the role."""
    return RoleRead.of(await RoleService(session, principal).create(body))


@roles.patch(
    "/{role_id}",
    response_model=RoleRead,
    summary="Update a role",
    dependencies=[require_permission("roles:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, RoleNotFound, RoleTaken, UnknownPermission, StepUpRequired),
)
@step_up_when("the role gains permissions that members do not have")
async def update_role(role_id: UUID, body: RoleUpdate, principal: CurrentPrincipal, session: SessionDep) -> RoleRead:
    """Changes only the given fields, effective with the next request of each member who has the role."""
    return RoleRead.of(await RoleService(session, principal).update(role_id, body))


@roles.delete(
    "/{role_id}",
    status_code=204,
    summary="Delete a role",
    dependencies=[require_permission("roles:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, RoleNotFound, RoleInUse),
)
@step_up_exempt("Only unused roles can be deleted.")
async def delete_role(role_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Deletes a custom role that is not in use.

    Fails while members, pending invitations or domain joining use it; `details` of the error contains the counts.
    """
    await RoleService(session, principal).delete(role_id)
