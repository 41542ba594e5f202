"""Test fixtures with a real PostgreSQL and Valkey, also for projects and extensions."""
