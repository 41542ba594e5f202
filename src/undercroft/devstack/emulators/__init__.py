"""Stand-ins for outside services: real servers that speak the real protocols, for development and tests."""
