"""Fixtures for tests on a real PostgreSQL and a real Valkey; projects and extensions use them too."""
