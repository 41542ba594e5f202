"""One-line guards for a route's signature."""

from collections.abc import Callable
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.dependencies.models import Dependant
from structlog.contextvars import bind_contextvars

from undercroft.core.audit import act_as
from undercroft.core.auth.principal import (
    API_KEY_MARK,
    Authenticator,
    ImpersonationForbidden,
    InteractiveSessionRequired,
    PlatformRole,
    Principal,
    bearer_token,
)
from undercroft.core.auth.proof import require_mfa_of_admin, require_open_team, require_recent
from undercroft.core.db.tenancy import EVERY_TEAM, act_for
from undercroft.core.errors import Forbidden

F = TypeVar("F", bound=Callable[..., Any])

SIGNED_IN = "signed in"
"""What a guard needs that lets every principal pass; each guard says what it needs in its attribute `needs`."""


async def current_principal(request: Request) -> Principal:
    authenticator = cast(Authenticator, request.app.state.authenticator)
    principal = await authenticator.authenticate(request)
    request.state.principal = principal
    act_as(principal.actor)
    act_for(principal.team_id)
    bind_contextvars(user_id=principal.person_id, team_id=principal.team_id)
    if principal.api_key_id is not None:
        bind_contextvars(api_key_id=principal.api_key_id)
        _require_within_scopes(principal, request)
    if principal.impersonator_id is not None:
        bind_contextvars(impersonator_id=principal.impersonator_id)
        _require_open_to_impersonation(request)
    if principal.closed_team and not getattr(request.scope.get("endpoint"), "__personal__", False):
        require_open_team(principal)
    return principal


current_principal.needs = SIGNED_IN  # type: ignore[attr-defined]

CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


class PermissionDenied(Forbidden):
    code = "PERMISSION_DENIED"
    message = "Your role does not allow this."


class ScopeMissing(Forbidden):
    code = "SCOPE_MISSING"
    message = "This API key's scopes do not reach here: no permission names what this does."


def _require_within_scopes(principal: Principal, request: Request) -> None:
    """A key with scopes reaches what a permission names; which one is the route's own guard's to ask."""
    route = request.scope.get("route")
    if principal.scopes is not None and not (route and _names_permission(route.dependant)):
        raise ScopeMissing


def _names_permission(dependant: Dependant) -> bool:
    needs = str(getattr(dependant.call, "needs", ""))
    return ":" in needs or any(_names_permission(each) for each in dependant.dependencies)


def _require_open_to_impersonation(request: Request) -> None:
    """Signing in and administering is nothing to be done as somebody else, whatever the route's own guards are."""
    endpoint = request.scope.get("endpoint")
    if getattr(endpoint, "__in_person__", False) and not getattr(endpoint, "__open_to_impersonation__", False):
        raise ImpersonationForbidden


async def in_person(principal: CurrentPrincipal) -> Principal:
    """Lets everybody pass but an administrator who acts as somebody else."""
    if principal.impersonator_id is not None:
        raise ImpersonationForbidden
    return principal


IN_PERSON = Depends(in_person)
"""In a route's or a router's `dependencies`, for what is sensitive: nobody who impersonates gets here.

`INTERACTIVE`, `require_recent_proof()` and the surfaces `auth` and `admin` say it as well.
"""


def open_to_impersonation(endpoint: F) -> F:
    """Declare that a route on `auth` is for those who impersonate, too. Put it under the route's decorator."""
    endpoint.__open_to_impersonation__ = True  # type: ignore[attr-defined]
    return endpoint


async def interactive(principal: CurrentPrincipal) -> Principal:
    """Lets a principal pass who signed in; API keys and those who impersonate get 403."""
    if principal.api_key_id is not None:
        raise InteractiveSessionRequired
    return await in_person(principal)


interactive.needs = "signed in, no API key"  # type: ignore[attr-defined]

INTERACTIVE = Depends(interactive)
"""In a route's or a router's `dependencies`: no API key gets here, and nobody who impersonates."""


async def refuse_api_keys(request: Request) -> None:
    """For routes that nobody has to be signed in for, and no API key has any business at."""
    if (bearer_token(request) or "").startswith(API_KEY_MARK):
        raise InteractiveSessionRequired


def require_permission(permission: str) -> Any:
    """A dependency that lets a principal pass whose role in the current team has this permission; else 403."""

    async def check(principal: CurrentPrincipal) -> Principal:
        if permission not in principal.permissions:
            raise PermissionDenied(details={"permission": permission})
        return principal

    check.needs = permission  # type: ignore[attr-defined]
    return Depends(check)


def require_permission_unless_oneself(permission: str) -> Any:
    """Like `require_permission`, but whom the path names as `user_id` passes as well, unless by a key with scopes."""

    async def check(user_id: UUID, principal: CurrentPrincipal) -> Principal:
        oneself = user_id == principal.person_id and principal.scopes is None
        if not oneself:
            require_open_team(principal)
        if permission not in principal.permissions and not oneself:
            raise PermissionDenied(details={"permission": permission})
        return principal

    check.needs = permission  # type: ignore[attr-defined]
    return Depends(check)


def require_role(role: PlatformRole) -> Any:
    """A dependency that lets a principal pass who has this role on the platform or a stronger one; else 403."""

    async def check(principal: CurrentPrincipal) -> Principal:
        if not principal.role.includes(role):
            raise PermissionDenied(details={"role": role.value})
        if role is not PlatformRole.USER:
            require_mfa_of_admin(principal)
        return principal

    check.needs = role.value  # type: ignore[attr-defined]
    return Depends(check)


async def administer_every_team() -> None:
    """What follows works on every team's rows; behind the guard of the admin surface, and nowhere else."""
    act_for(EVERY_TEAM)


async def recently_proven(principal: CurrentPrincipal) -> Principal:
    require_recent(principal)
    return principal


def require_recent_proof() -> Any:
    """A dependency that lets a session pass that was proven lately; else 403 `STEP_UP_REQUIRED`. For what is sensitive:

    @router.delete("/everything", dependencies=[require_recent_proof()], responses=responses(StepUpRequired))
    """
    return Depends(recently_proven)
