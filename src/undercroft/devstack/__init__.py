"""Real servers for development and tests: PostgreSQL and Valkey from wheels, started and stopped by us."""
