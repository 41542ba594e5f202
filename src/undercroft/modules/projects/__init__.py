"""Projects of a team: the example to copy for a new module."""

from undercroft.core import Module

MODULE = Module(requires=("teams",), optional=True)
