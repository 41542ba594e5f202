"""External identities: sign-in with Google and other providers, and accounts that an external service manages."""

from undercroft.modules.identities.connections import Connections, ConnectionsDep

REQUIRES = ("users", "teams", "auth")

__all__ = ["REQUIRES", "Connections", "ConnectionsDep"]
