"""Team management for platform administrators."""

from undercroft.core import Module

MODULE = Module(requires=("teams",))
