"""Alembic's environment, shared by every history, and the history of the core itself."""
