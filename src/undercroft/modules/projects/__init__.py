"""Projects of a team: the example to copy for a new module."""

from undercroft.core.modules import Module

MODULE = Module(requires=("teams",))
