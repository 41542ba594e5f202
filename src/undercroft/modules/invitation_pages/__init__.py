"""The page behind an emailed invitation: accept it with the current account or with a new one."""

from undercroft.core import Module

MODULE = Module(requires=("users", "teams", "auth"))
