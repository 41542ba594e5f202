"""Who is asking and what they may do; the product's `auth` module answers the first question."""

from undercroft.core.auth.guards import (
    INTERACTIVE,
    CurrentPrincipal,
    allow_impersonation,
    require_permission,
    require_permission_unless_self,
    require_role,
    require_step_up,
)
from undercroft.core.auth.principal import Authenticator, PlatformRole, Principal
from undercroft.core.auth.router import Router, Surface
from undercroft.core.auth.step_up import StepUpRequired

__all__ = [
    "INTERACTIVE",
    "Authenticator",
    "CurrentPrincipal",
    "PlatformRole",
    "Principal",
    "Router",
    "StepUpRequired",
    "Surface",
    "allow_impersonation",
    "require_permission",
    "require_permission_unless_self",
    "require_role",
    "require_step_up",
]
