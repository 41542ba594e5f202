"""Who people are elsewhere: signing in with Google and others, and accounts that another service keeps."""

from undercroft.modules.identities.connections import Connections, ConnectionsDep

REQUIRES = ("users", "teams", "auth")

__all__ = ["REQUIRES", "Connections", "ConnectionsDep"]
