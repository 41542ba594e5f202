"""All teams, for administrators of the platform."""

REQUIRES = ("teams",)
