"""One-line guards for a route's signature."""

from typing import Annotated, Any, cast

from fastapi import Depends, Request
from structlog.contextvars import bind_contextvars

from undercroft.core.audit import act_as
from undercroft.core.auth.principal import Authenticator, PlatformRole, Principal
from undercroft.core.db.tenancy import EVERY_TEAM, act_for
from undercroft.core.errors import Forbidden

SIGNED_IN = "signed in"
"""What a guard needs that lets every principal pass; each guard says what it needs in its attribute `needs`."""


async def current_principal(request: Request) -> Principal:
    authenticator = cast(Authenticator, request.app.state.authenticator)
    principal = await authenticator.authenticate(request)
    request.state.principal = principal
    act_as(principal.actor)
    act_for(principal.team_id)
    bind_contextvars(user_id=principal.user_id, team_id=principal.team_id)
    return principal


current_principal.needs = SIGNED_IN  # type: ignore[attr-defined]

CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


class PermissionDenied(Forbidden):
    code = "PERMISSION_DENIED"
    message = "Your role does not allow this."


def require_permission(permission: str) -> Any:
    """A dependency that lets a principal pass whose role in the current team has this permission; else 403."""

    async def check(principal: CurrentPrincipal) -> Principal:
        if permission not in principal.permissions:
            raise PermissionDenied(details={"permission": permission})
        return principal

    check.needs = permission  # type: ignore[attr-defined]
    return Depends(check)


def require_role(role: PlatformRole) -> Any:
    """A dependency that lets a principal pass who has this role on the platform or a stronger one; else 403."""

    async def check(principal: CurrentPrincipal) -> Principal:
        if not principal.role.includes(role):
            raise PermissionDenied(details={"role": role.value})
        return principal

    check.needs = role.value  # type: ignore[attr-defined]
    return Depends(check)


async def administer_every_team() -> None:
    """What follows works on every team's rows; behind the guard of the admin surface, and nowhere else."""
    act_for(EVERY_TEAM)
