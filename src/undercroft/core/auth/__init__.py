"""Who is asking and what they may do; the product's `auth` module answers the first question."""

from undercroft.core.auth.guards import (
    INTERACTIVE,
    CurrentPrincipal,
    open_to_impersonation,
    require_permission,
    require_permission_unless_oneself,
    require_recent_proof,
    require_role,
)
from undercroft.core.auth.principal import Authenticator, PlatformRole, Principal
from undercroft.core.auth.proof import StepUpRequired
from undercroft.core.auth.routing import Router, Surface

__all__ = [
    "INTERACTIVE",
    "Authenticator",
    "CurrentPrincipal",
    "PlatformRole",
    "Principal",
    "Router",
    "StepUpRequired",
    "Surface",
    "open_to_impersonation",
    "require_permission",
    "require_permission_unless_oneself",
    "require_recent_proof",
    "require_role",
]
