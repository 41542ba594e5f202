"""One-line guards for a route's signature."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Annotated, Any, TypeVar, cast
from uuid import UUID

from fastapi import Depends, Request
from fastapi.routing import APIRoute
from structlog.contextvars import bind_contextvars

from undercroft.core.audit import set_current_actor
from undercroft.core.auth.authorization import current_authorization
from undercroft.core.auth.principal import (
    API_KEY_PREFIX,
    Authenticator,
    ImpersonationForbidden,
    InteractiveSessionRequired,
    PlatformRole,
    Principal,
    bearer_token,
)
from undercroft.core.auth.step_up import require_admin_mfa, require_recent_authentication, require_team_mfa
from undercroft.core.db.tenancy import ALL_TENANTS, set_current_tenant
from undercroft.core.errors import Forbidden
from undercroft.core.http._fastapi import dependency_calls
from undercroft.core.http.same_site import SAFE_METHODS

F = TypeVar("F", bound=Callable[..., Any])

SIGNED_IN = "signed in"
"""What a guard needs that lets every principal pass; each guard says what it needs in its attribute `needs`."""

Check = Callable[[Principal, Request], None]
"""What a guard asks of a principal, as its attribute `check`, to be asked again after the request has waited."""


async def current_principal(request: Request) -> Principal:
    authenticator = cast(Authenticator, request.app.state.authenticator)
    principal = await authenticator.authenticate(request)
    request.state.principal = principal
    set_current_actor(principal.actor)
    set_current_tenant(principal.team_id)
    bind_contextvars(user_id=principal.user_id_or_none, team_id=principal.team_id)
    if principal.api_key_id is not None:
        bind_contextvars(api_key_id=principal.api_key_id)
    if principal.impersonator_id is not None:
        bind_contextvars(impersonator_id=principal.impersonator_id)
    _require_access(principal, request)
    authorization = current_authorization()
    if authorization is not None:
        authorization.check = partial(_recheck, request)
    return principal


def _require_access(principal: Principal, request: Request) -> None:
    """What is asked of every principal at every route."""
    if principal.api_key_id is not None:
        _require_within_scopes(principal, request)
    if principal.impersonator_id is not None:
        _require_impersonation_allowed(request)
    if principal.mfa_blocked and not getattr(request.scope.get("endpoint"), "__team_independent__", False):
        require_team_mfa(principal)


def _recheck(request: Request, principal: Principal) -> None:
    """Ask everything that the guards of the request's route ask, of the principal as it is now."""
    _require_access(principal, request)
    for call in dependency_calls(request.scope["route"]):
        check: Check | None = getattr(call, "check", None)
        if check is not None:
            check(principal, request)


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
    if principal.scopes is not None and not (route and any(required_permissions(route))):
        raise ScopeMissing


def required_permissions(route: APIRoute) -> Iterator[str]:
    """The names of the permissions that the guards of a route require."""
    needs = (str(getattr(call, "needs", "")) for call in dependency_calls(route))
    return (each for each in needs if ":" in each)


def _require_impersonation_allowed(request: Request) -> None:
    """Impersonation only reads, and neither sign-in nor administration: what it changed could outlive it as access."""
    endpoint = request.scope.get("endpoint")
    if getattr(endpoint, "__allow_impersonation__", False):
        return
    if request.method not in SAFE_METHODS or getattr(endpoint, "__no_impersonation__", False):
        raise ImpersonationForbidden


def allow_impersonation(endpoint: F) -> F:
    """Declare that impersonation may use a route that changes something, or one on `auth`. Put it under the decorator.

    Only for what gives nobody access: an administrator may have chosen what is written, and it stays.
    """
    endpoint.__allow_impersonation__ = True  # type: ignore[attr-defined]
    return endpoint


def _require_interactive(principal: Principal, _request: Request) -> None:
    if principal.api_key_id is not None:
        raise InteractiveSessionRequired
    if principal.impersonator_id is not None:
        raise ImpersonationForbidden


async def interactive(principal: CurrentPrincipal, request: Request) -> Principal:
    """Lets a principal pass who signed in; API keys and those who impersonate get 403."""
    _require_interactive(principal, request)
    return principal


interactive.needs = "signed in, no API key"  # type: ignore[attr-defined]
interactive.check = _require_interactive  # type: ignore[attr-defined]

INTERACTIVE = Depends(interactive)
"""In a route's or a router's `dependencies`: no API key gets here, and nobody who impersonates."""


async def refuse_api_keys(request: Request) -> None:
    """For routes that nobody has to be signed in for, and no API key has any business at."""
    if (bearer_token(request) or "").startswith(API_KEY_PREFIX):
        raise InteractiveSessionRequired


def require_permission(permission: str) -> Any:
    """A dependency that lets a principal pass whose role in the current team has this permission; else 403."""

    def check(principal: Principal, _request: Request) -> None:
        if permission not in principal.permissions:
            raise PermissionDenied(details={"permission": permission})

    return _guard(check, needs=permission)


def _guard(check: Check, guard: Callable[..., Any] | None = None, *, needs: str) -> Any:
    """A dependency that asks this of the principal, now and after the request has waited."""

    async def plain(principal: CurrentPrincipal, request: Request) -> Principal:
        check(principal, request)
        return principal

    call: Any = guard or plain
    call.needs, call.check = needs, check
    return Depends(call)


def require_permission_unless_self(permission: str) -> Any:
    """Like `require_permission`, but whom the path names as `user_id` passes as well, unless by a key with scopes."""

    def check(principal: Principal, request: Request) -> None:
        oneself = UUID(request.path_params["user_id"]) == principal.user_id_or_none and principal.scopes is None
        if not oneself:
            require_team_mfa(principal)
        if permission not in principal.permissions and not oneself:
            raise PermissionDenied(details={"permission": permission})

    async def guard(user_id: UUID, principal: CurrentPrincipal, request: Request) -> Principal:  # noqa: ARG001
        check(principal, request)
        return principal

    return _guard(check, guard, needs=permission)


def require_role(role: PlatformRole) -> Any:
    """A dependency that lets a principal pass who has this role on the platform or a stronger one; else 403."""

    def check(principal: Principal, _request: Request) -> None:
        if not principal.role.includes(role):
            raise PermissionDenied(details={"role": role.value})
        if role is not PlatformRole.USER:
            require_admin_mfa(principal)

    return _guard(check, needs=role.value)


async def use_all_tenants() -> None:
    """What follows works on every team's rows; behind the guard of the admin surface, and nowhere else."""
    set_current_tenant(ALL_TENANTS)


async def recently_authenticated(principal: CurrentPrincipal) -> Principal:
    require_recent_authentication(principal)
    return principal


recently_authenticated.check = lambda principal, _request: require_recent_authentication(principal)  # type: ignore[attr-defined]


def require_step_up() -> Any:
    """A dependency that lets a session pass that was proven lately; else 403 `STEP_UP_REQUIRED`. For what is sensitive:

    @router.delete("/everything", dependencies=[require_step_up()], responses=responses(StepUpRequired))
    """
    return Depends(recently_authenticated)
