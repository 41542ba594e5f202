"""Team management for platform administrators."""

REQUIRES = ("teams",)
