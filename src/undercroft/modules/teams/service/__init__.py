"""Use cases of teams, one file per topic."""
