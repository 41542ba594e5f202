"""Platform statistics for administrators."""

from undercroft.core.modules import Module

MODULE = Module(requires=("users", "teams", "api_keys", "auth"))
