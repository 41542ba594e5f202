"""The admin interface at `/admin`: sign-in pages, an access guard for the modules' views, and platform statistics."""

from undercroft.core import Module

MODULE = Module(requires=("users", "teams", "sessions", "auth", "mfa", "web"), optional=True)
