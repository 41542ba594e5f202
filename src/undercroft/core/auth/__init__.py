"""Who sends a request and what they may do; the module `auth` verifies the credentials."""

from undercroft.core.auth.principal import Authenticator, PlatformRole, Principal
from undercroft.core.auth.step_up import StepUpRequired

__all__ = ["Authenticator", "PlatformRole", "Principal", "StepUpRequired"]
