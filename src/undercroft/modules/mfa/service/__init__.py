"""Use cases of two-factor authentication, one file per topic."""
