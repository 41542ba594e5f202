"""Guards for routes, as FastAPI dependencies."""

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
"""The attribute `needs` of a guard that accepts every principal. Each guard states its requirement there."""

Check = Callable[[Principal, Request], None]
"""The requirement of a guard, in its attribute `check`, which is checked again after the request has waited."""


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
    """Check the requirements that every route has."""
    if principal.api_key_id is not None:
        _require_within_scopes(principal, request)
    if principal.impersonator_id is not None:
        _require_impersonation_allowed(request)
    if principal.mfa_blocked and not getattr(request.scope.get("endpoint"), "__team_independent__", False):
        require_team_mfa(principal)


def _recheck(request: Request, principal: Principal) -> None:
    """Check all guards of the request's route again, for the current principal."""
    _require_access(principal, request)
    for call in dependency_calls(request.scope["route"]):
        check: Check | None = getattr(call, "check", None)
        if check is not None:
            check(principal, request)


current_principal.needs = SIGNED_IN  # type: ignore[attr-defined]

CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


class PermissionDenied(Forbidden):
    code = "PERMISSION_DENIED"
    message = "Your role does not have this permission."


class ScopeMissing(Forbidden):
    code = "SCOPE_MISSING"
    message = "An API key with scopes cannot use this endpoint: it does not belong to a permission."


def _require_within_scopes(principal: Principal, request: Request) -> None:
    """A key with scopes may only use routes that require a permission; the route's guard checks which one."""
    route = request.scope.get("route")
    if principal.scopes is not None and not (route and any(required_permissions(route))):
        raise ScopeMissing


def required_permissions(route: APIRoute) -> Iterator[str]:
    """The names of the permissions that the guards of a route require."""
    needs = (str(getattr(call, "needs", "")) for call in dependency_calls(route))
    return (each for each in needs if ":" in each)


def _require_impersonation_allowed(request: Request) -> None:
    """Allow impersonators only to read, outside of `auth` and `admin`: a change could give them lasting access."""
    endpoint = request.scope.get("endpoint")
    if getattr(endpoint, "__allow_impersonation__", False):
        return
    if request.method not in SAFE_METHODS or getattr(endpoint, "__no_impersonation__", False):
        raise ImpersonationForbidden


def allow_impersonation(endpoint: F) -> F:
    """Allow impersonators to use a route that changes data, or one on `auth`. Put it under the route's decorator.

    Only for routes that grant no access: an administrator may have chosen the data that is stored.
    """
    endpoint.__allow_impersonation__ = True  # type: ignore[attr-defined]
    return endpoint


def _require_interactive(principal: Principal, _request: Request) -> None:
    if principal.api_key_id is not None:
        raise InteractiveSessionRequired
    if principal.impersonator_id is not None:
        raise ImpersonationForbidden


async def interactive(principal: CurrentPrincipal, request: Request) -> Principal:
    """Require a signed-in user; API keys and impersonators get 403."""
    _require_interactive(principal, request)
    return principal


interactive.needs = "signed in, no API key"  # type: ignore[attr-defined]
interactive.check = _require_interactive  # type: ignore[attr-defined]

INTERACTIVE = Depends(interactive)
"""For `dependencies` of a route or router: refuses API keys and impersonators."""


async def refuse_api_keys(request: Request) -> None:
    """For routes that need no authentication and must not be used with an API key."""
    if (bearer_token(request) or "").startswith(API_KEY_PREFIX):
        raise InteractiveSessionRequired


def require_permission(permission: str) -> Any:
    """A dependency that requires this permission in the current team; otherwise 403."""

    def check(principal: Principal, _request: Request) -> None:
        if permission not in principal.permissions:
            raise PermissionDenied(details={"permission": permission})

    return _guard(check, needs=permission)


def _guard(check: Check, guard: Callable[..., Any] | None = None, *, needs: str) -> Any:
    """A dependency that runs this check now, and again after the request has waited."""

    async def default_guard(principal: CurrentPrincipal, request: Request) -> Principal:
        check(principal, request)
        return principal

    call: Any = guard or default_guard
    call.needs, call.check = needs, check
    return Depends(call)


def require_permission_unless_self(permission: str) -> Any:
    """Like `require_permission`, but also accepts the user with the path's `user_id`, unless they use a key with
    scopes.
    """

    def check(principal: Principal, request: Request) -> None:
        is_self = UUID(request.path_params["user_id"]) == principal.user_id_or_none and principal.scopes is None
        if not is_self:
            require_team_mfa(principal)
        if permission not in principal.permissions and not is_self:
            raise PermissionDenied(details={"permission": permission})

    async def guard(user_id: UUID, principal: CurrentPrincipal, request: Request) -> Principal:  # noqa: ARG001
        check(principal, request)
        return principal

    return _guard(check, guard, needs=permission)


def require_role(role: PlatformRole) -> Any:
    """A dependency that requires this platform role or a stronger one; otherwise 403."""

    def check(principal: Principal, _request: Request) -> None:
        if not principal.role.includes(role):
            raise PermissionDenied(details={"role": role.value})
        if role is not PlatformRole.USER:
            require_admin_mfa(principal)

    return _guard(check, needs=role.value)


async def use_all_tenants() -> None:
    """Give the request access to the rows of all teams. Only for the admin surface, after its guard."""
    set_current_tenant(ALL_TENANTS)


async def recently_authenticated(principal: CurrentPrincipal) -> Principal:
    require_recent_authentication(principal)
    return principal


recently_authenticated.check = lambda principal, _request: require_recent_authentication(principal)  # type: ignore[attr-defined]


def require_step_up() -> Any:
    """A dependency that requires a recent reauthentication; otherwise 403 `STEP_UP_REQUIRED`. For sensitive operations:

    @router.delete("/everything", dependencies=[require_step_up()], responses=responses(StepUpRequired))
    """
    return Depends(recently_authenticated)
