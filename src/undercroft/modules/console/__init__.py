"""The console: the web application for users and administrators at `/app`. Its source is in `console/`."""

from undercroft.core import Module

MODULE = Module(requires=("web", "users", "teams", "sessions", "auth"), optional=True)
