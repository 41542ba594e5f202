"""External identities: sign-in with Google and other providers, and accounts that an external service manages."""

from undercroft.core import Module
from undercroft.modules.identities.dependencies import ConnectionsDep
from undercroft.modules.identities.service.connections import Connections

MODULE = Module(requires=("users", "teams", "sessions", "auth"), optional=True)

__all__ = ["MODULE", "Connections", "ConnectionsDep"]
