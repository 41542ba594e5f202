"""Use cases of accounts and sign-in, one file per topic."""
