"""A team's own roles, and what every role may do."""

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
    TeamRole.OWNER: "May do everything.",
    TeamRole.ADMIN: "Runs the team.",
    TeamRole.MEMBER: "Works in the team.",
    TeamRole.VIEWER: "Sees the team's work.",
}


@permission_matrix.get(
    "",
    response_model=PermissionMatrix,
    summary="Read the permission matrix",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
async def read_permissions(principal: CurrentPrincipal, session: ReadSessionDep) -> PermissionMatrix:
    """All permissions that there are, and which the roles of the current team have, the team's own among them."""
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
    summary="List a team's own roles",
    dependencies=[require_permission("teams:read")],
    responses=responses(TeamNotFound),
)
async def list_roles(principal: CurrentPrincipal, session: ReadSessionDep) -> list[RoleRead]:
    """All of them, by name; what the built-in ones may do is in the permission matrix."""
    return [RoleRead.of(role) for role in await roles_of(session, principal.team_id)]


@roles.post(
    "",
    status_code=201,
    response_model=RoleRead,
    summary="Make a role",
    dependencies=[require_permission("roles:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, RoleTaken, UnknownPermission, StepUpRequired),
)
@step_up_when("the role may do more than a member")
async def create_role(body: RoleCreate, principal: CurrentPrincipal, session: SessionDep) -> RoleRead:
    """Nobody grants a permission that they do not have themselves."""
    return RoleRead.of(await RoleService(session, principal).create(body))


@roles.patch(
    "/{role_id}",
    response_model=RoleRead,
    summary="Change a role",
    dependencies=[require_permission("roles:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, RoleNotFound, RoleTaken, UnknownPermission, StepUpRequired),
)
@step_up_when("the role gains what is more than a member may")
async def update_role(role_id: UUID, body: RoleUpdate, principal: CurrentPrincipal, session: SessionDep) -> RoleRead:
    """Only the fields that are given are changed, for everybody who has the role, from their next request on."""
    return RoleRead.of(await RoleService(session, principal).update(role_id, body))


@roles.delete(
    "/{role_id}",
    status_code=204,
    summary="Delete a role",
    dependencies=[require_permission("roles:write")],
    responses=responses(TeamNotFound, TeamRoleTooWeak, RoleNotFound, RoleInUse),
)
@step_up_exempt("It takes access away, of nobody.")
async def delete_role(role_id: UUID, principal: CurrentPrincipal, session: SessionDep) -> None:
    """Refused while somebody has it, is invited in it, or joins in it by their domain; the error says how many."""
    await RoleService(session, principal).delete(role_id)
