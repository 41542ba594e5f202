"""Platform statistics for administrators."""

from undercroft.core import Module

MODULE = Module(requires=("users", "teams", "api_keys", "auth"))
