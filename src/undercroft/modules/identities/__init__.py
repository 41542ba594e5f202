"""External identities: sign-in with Google and other providers, and accounts that an external service manages."""

from undercroft.core import Module
from undercroft.modules.identities.connections import Connections, ConnectionsDep

MODULE = Module(requires=("users", "teams", "auth"))

__all__ = ["MODULE", "Connections", "ConnectionsDep"]
