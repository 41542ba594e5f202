"""Emulators of external services for development and tests: local servers that speak the real protocols."""
