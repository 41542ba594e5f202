"""Projects of a team: the worked example that a new module is copied from."""

REQUIRES = ("teams",)
