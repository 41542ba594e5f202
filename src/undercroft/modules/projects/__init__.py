"""Projects of a team: the example to copy for a new module."""

REQUIRES = ("teams",)
