"""HTTP: routers and guards, the application, middleware, errors, limits, pages and API documentation."""

from undercroft.core.http._fastapi import dependency_calls, depends_on, path_parameter_types
from undercroft.core.http.guards import (
    INTERACTIVE,
    CurrentPrincipal,
    allow_impersonation,
    require_permission,
    require_permission_unless_self,
    require_role,
    require_step_up,
)
from undercroft.core.http.router import Router, Surface

__all__ = [
    "INTERACTIVE",
    "CurrentPrincipal",
    "Router",
    "Surface",
    "allow_impersonation",
    "dependency_calls",
    "depends_on",
    "path_parameter_types",
    "require_permission",
    "require_permission_unless_self",
    "require_role",
    "require_step_up",
]
