"""The use cases of system settings."""
