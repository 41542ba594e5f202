"""Dependencies of team routes: the team in the path, and the permission guard for a deleted team."""

from uuid import UUID

from fastapi import Depends, Request

from undercroft.core.db import SessionDep
from undercroft.core.http import CurrentPrincipal, PermissionDenied, get_info
from undercroft.modules.teams.errors import TeamNotFound
from undercroft.modules.teams.repository.members import MembershipRepository


async def _team_from_path(team_id: UUID) -> UUID:
    return team_id


TEAM_FROM_PATH = Depends(_team_from_path)
"""For routers with a team in the path. The authenticator makes it the current team, so services read only that."""


async def require_in_deleted_team(
    deleted_team_id: UUID, principal: CurrentPrincipal, session: SessionDep, request: Request
) -> None:
    """Require the route's permission in the deleted team in its path parameter `deleted_team_id`."""
    membership = await MembershipRepository(session).permissions(deleted_team_id, principal.user_id)
    if membership is None:
        raise TeamNotFound
    _, permissions = membership
    permission = get_info(request.scope["route"]).permission
    if permission not in principal.limit_to_scopes(permissions):
        raise PermissionDenied(details={"permission": permission})
