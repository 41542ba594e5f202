"""Principals and authorization of requests. The application's `auth` module provides the authenticator."""

from undercroft.core.auth.permissions import Permission
from undercroft.core.auth.principal import Authenticator, PlatformRole, Principal
from undercroft.core.auth.step_up import StepUpRequired, require_recent_authentication

__all__ = [
    "Authenticator",
    "Permission",
    "PlatformRole",
    "Principal",
    "StepUpRequired",
    "require_recent_authentication",
]
