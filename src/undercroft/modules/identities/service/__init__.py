"""Use cases of identities, one file per topic."""
