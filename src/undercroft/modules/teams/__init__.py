"""Teams: who works together, in which role, and whose the data is."""

REQUIRES = ("users",)
