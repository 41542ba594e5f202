"""Use cases of sessions, tokens and the principal of a request."""
