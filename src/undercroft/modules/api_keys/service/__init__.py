"""Use cases of API keys."""
