"""Team management for platform administrators."""

from undercroft.core.modules import Module

MODULE = Module(requires=("teams",))
