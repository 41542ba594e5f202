"""Authentication of requests, and the check of what their route declares."""

from functools import partial
from typing import Annotated
from uuid import UUID

from fastapi import Depends
from fastapi.requests import HTTPConnection
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
from undercroft.core.context import current_context
from undercroft.core.db.tenancy import ALL_TENANTS, set_current_tenant
from undercroft.core.errors import Forbidden
from undercroft.core.http.route_info import RouteInfo, Surface, get_info


class PermissionDenied(Forbidden):
    code = "PERMISSION_DENIED"
    message = "Your role does not have this permission."


class ScopeMissing(Forbidden):
    code = "SCOPE_MISSING"
    message = "An API key with scopes cannot use this endpoint: it does not belong to a permission."


async def current_principal(request: HTTPConnection) -> Principal:
    """Authenticate the request and check what its route requires.

    Both happen again before a transaction that waited commits. On `admin`, the request has access to the rows of all
    teams.
    """
    principal = await current_context().get(Authenticator).authenticate(request)
    request.state.principal = principal
    set_current_actor(principal.actor)
    set_current_tenant(principal.team_id)
    bind_contextvars(user_id=principal.user_id_or_none, team_id=principal.team_id)
    if principal.api_key_id is not None:
        bind_contextvars(api_key_id=principal.api_key_id)
    if principal.impersonator_id is not None:
        bind_contextvars(impersonator_id=principal.impersonator_id)
    info = get_info(request.scope.get("route"))
    require_access(info, request, principal)
    if info.surface is Surface.ADMIN:
        set_current_tenant(ALL_TENANTS)
    authorization = current_authorization()
    if authorization is not None:
        authorization.check = partial(require_access, info, request)
    return principal


CurrentPrincipal = Annotated[Principal, Depends(current_principal)]


def require_access(info: RouteInfo, request: HTTPConnection, principal: Principal) -> None:
    """Raise `Forbidden` unless the principal meets every requirement of the route."""
    if principal.scopes is not None and info.permission is None:
        raise ScopeMissing
    if principal.impersonator_id is not None and not info.impersonation:
        raise ImpersonationForbidden
    by_themselves = info.or_self is not None and _is_self(request.path_params[info.or_self], principal)
    if not (info.team_independent or by_themselves):
        require_team_mfa(principal)
    if principal.api_key_id is not None and not info.api_keys:
        raise InteractiveSessionRequired
    if info.role is not None:
        _require_role(info.role, principal)
    if info.permission is not None and not (info.guard or by_themselves):
        _require_permission(info.permission, principal)
    if info.step_up is True:
        require_recent_authentication(principal)


def _is_self(user_id: str, principal: Principal) -> bool:
    """Whether the principal is this user. A key with scopes needs the permission anyway."""
    try:
        return UUID(str(user_id)) == principal.user_id_or_none and principal.scopes is None
    except ValueError:
        return False


def _require_permission(permission: str, principal: Principal) -> None:
    if permission not in principal.permissions:
        raise PermissionDenied(details={"permission": permission})


def _require_role(role: PlatformRole, principal: Principal) -> None:
    if not principal.role.includes(role):
        raise PermissionDenied(details={"role": role.value})
    require_admin_mfa(principal)


async def refuse_api_keys(request: HTTPConnection) -> None:
    """For routes that need no authentication and must not be used with an API key."""
    if (bearer_token(request) or "").startswith(API_KEY_PREFIX):
        raise InteractiveSessionRequired
